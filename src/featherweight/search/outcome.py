"""The results of a search: its finished trials and their Pareto front, as tables and plain values."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from featherweight.errors import FileError, UsageError
from featherweight.experiments.record import Figure
from featherweight.experiments.schema import CountOrZero, NotNegative, Percent, Text, check_fields
from featherweight.experiments.statistics import pareto_front
from featherweight.search.space import Proposal
from featherweight.search.study import end_of, trials_of

if TYPE_CHECKING:
    import optuna
    from rich.table import Table

BEST = 5
"""Number of best trials to show."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A finished trial. Accuracies are percentages of the held-out images, over the judged epochs of all seeds."""

    trial: CountOrZero
    value: Figure
    """The figure by which trials are ranked: the mean of `proposals.judged` over the seeds."""
    accuracy: Percent
    worst: Percent
    loss: Figure
    parameters: CountOrZero
    macs: CountOrZero
    field: CountOrZero
    """Receptive field of the last convolution in pixels, the larger of height and width."""
    epochs: CountOrZero
    seconds: NotNegative
    """Training time per seed on the machine that ran the trial."""
    seeds: CountOrZero
    engine: Text
    machine: Text
    proposal: Proposal

    def to_json(self) -> dict[str, Any]:
        """The entry as plain values, including network and recipe."""
        values = {name: value for name, value in asdict(self).items() if name != "proposal"}
        return {**values, **self.proposal.to_json()}


def entries(study: "optuna.Study") -> list[Entry]:
    """The finished trials of a study, best first."""
    found = [_entry(trial) for trial in trials_of(study) if end_of(trial) == "finished"]
    return sorted(found, key=lambda entry: (-entry.value, entry.parameters, entry.trial))


def _entry(trial: "optuna.trial.FrozenTrial") -> Entry:
    """What the study says of a finished trial; FileError where no search of this package has written that."""
    try:
        what, result = trial.user_attrs["proposal"], trial.user_attrs["result"]
        found = Entry(
            trial=trial.number,
            value=float(trial.value or 0.0),
            parameters=what["parameters"],
            macs=what["macs"],
            field=max(what["field"]),
            epochs=what["epochs"],
            proposal=Proposal.from_json(what),
            **result,
        )
        check_fields(found)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as problem:
        reason = str(problem).rstrip(".") or type(problem).__name__
        raise FileError(
            f"Trial {trial.number} of the study is not one of a search ({reason}); use a new study."
        ) from problem
    return found


def on_pareto_front(found: Sequence[Entry]) -> list[Entry]:
    """The entries on the Pareto front of accuracy, parameters, MACs and seconds, sorted by parameters, fewest first."""
    kept = pareto_front(found, lambda one: (one.accuracy, -one.parameters, -one.macs, -one.seconds))
    return sorted(kept, key=lambda entry: (entry.parameters, entry.macs, entry.trial))


def table(found: Sequence[Entry]) -> "Table":
    """A table of the entries with their figures, one line each."""
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    for heading in ("trial", "accuracy", "worst", "parameters", "MACs", "field", "epochs", "seconds"):
        shown.add_column(heading, justify="right", min_width=len(heading))
    shown.add_column("network", no_wrap=True, overflow="ellipsis")
    for entry in found:
        shown.add_row(
            str(entry.trial), f"{entry.accuracy:.3f}", f"{entry.worst:.2f}", f"{entry.parameters:,}",
            f"{entry.macs:,}", str(entry.field), str(entry.epochs), f"{entry.seconds:.1f}", sketch(entry.proposal),
        )  # fmt: skip
    return shown


def sketch(proposal: Proposal) -> str:
    """A network in one word: widths of its convolutions, with `s` before depthwise-separable ones, and `p` for a pool.

    >>> from featherweight.experiments.recipe import Recipe
    >>> from featherweight.search.space import stack
    >>> sketch(Proposal(network=stack([8, 12, 12], pool_after=[2], kernels=[5, 3, 3]), recipe=Recipe()))
    '8x5-12-p-12'
    >>> sketch(Proposal(network=stack([8, 12, 12], pool_after=[1], separable=True), recipe=Recipe()))
    '8-p-s12-s12'
    """
    parts = []
    for one in proposal.network:
        settings = dict(one.settings)
        if one.make in ("conv_norm_relu", "separable_norm_relu", "nn.Conv2d"):
            kernel = one.given[2:3] or 3 if one.make == "nn.Conv2d" else settings.get("kernel", 3)
            mark = "s" if one.make == "separable_norm_relu" else ""
            parts.append(f"{mark}{one.given[1]}" + (f"x{kernel}" if kernel != 3 else ""))
        elif "Pool" in one.make and "Adaptive" not in one.make:
            parts.append("p")
    return "-".join(parts)
