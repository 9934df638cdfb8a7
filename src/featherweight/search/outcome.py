"""The results of a search: its finished trials and their Pareto front, as tables, plain values and a figure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.errors import FileError, UsageError
from featherweight.experiments.record import Figure
from featherweight.experiments.schema import CountOrZero, NotNegative, Percent, Text, check_fields
from featherweight.experiments.statistics import best_by_cost, pareto_front
from featherweight.io import write_bytes
from featherweight.report.figures.style import QUIET, TARGET, TEST, blank, in_house_style, legend_above
from featherweight.report.figures.svg import png, svg
from featherweight.search.space import Proposal
from featherweight.search.study import end_of, trials_of

if TYPE_CHECKING:
    import matplotlib.figure
    import optuna
    from rich.table import Table

BEST = 5
"""Number of best trials to show."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A result of a search: one finished trial. Accuracies are percentages of the held-out images, over the judged
    epochs of all seeds."""

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


def ranked_trials(study: "optuna.Study") -> list[Entry]:
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


def trial_table(found: Sequence[Entry]) -> "Table":
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


PANELS = (("parameters", "parameters"), ("macs", "multiply-adds of one image"), ("seconds", "seconds of training"))


@in_house_style
def pareto(found: Sequence[Entry], target: float) -> "matplotlib.figure.Figure":
    """A search's Pareto figure: three panels with a dot per finished trial; the line is the Pareto front. `target` in
    percent."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    figure = blank(7.2)
    panels = figure.subplots(3, 1, sharey=True)
    for number, (axes, (what, name)) in enumerate(zip(panels, PANELS, strict=True)):
        costs = [getattr(one, what) for one in found]
        best = best_by_cost([(cost, one.accuracy) for cost, one in zip(costs, found, strict=True)])
        axes.grid(axis="y")
        axes.plot(costs, [one.accuracy for one in found], "o", color=QUIET, markersize=3.5, alpha=0.6,
                  label="a trial" if number == 0 else None)  # fmt: skip
        axes.plot(*zip(*best, strict=True), "-o", color=TEST, markersize=4.5, linewidth=1.3, drawstyle="steps-post",
                  label="Pareto front" if number == 0 else None)  # fmt: skip
        axes.set(xlabel=name, ylabel="held-out accuracy, %")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.ticklabel_format(axis="y", useOffset=False)
    low, high = min(one.accuracy for one in found), max(one.accuracy for one in found)
    if target <= high + 2 * (high - low):  # a target further away would squeeze the trials together
        for number, axes in enumerate(panels):
            axes.axhline(target, color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3,
                         label=f"target {target:.2f} %" if number == 0 else None)  # fmt: skip
    legend_above(panels[0])
    return figure


def draw_front(found: Sequence[Entry], target: float, path: Path) -> None:
    """Write a search's Pareto figure in the format of the file's suffix, .svg or .png."""
    figure = pareto(found, target)
    write_bytes(path, png(figure) if path.suffix.lower() == ".png" else svg(figure).encode())
