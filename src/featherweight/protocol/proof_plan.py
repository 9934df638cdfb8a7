"""What a proof is of: its experiment, its runs and their folders, and what refuses to prove it before it begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from featherweight.data import load
from featherweight.data.sets import canonical
from featherweight.errors import UsageError
from featherweight.experiments.bar import Bar
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.record import Record
from featherweight.experiments.settings import changes, overridden
from featherweight.networks.layers.preprocessing import preprocessing_of
from featherweight.protocol.ledger import LEDGER, Attempt, recipe_digest
from featherweight.protocol.proof_runs import Trainer
from featherweight.protocol.records import FOLDER, in_source_tree, records_of, source_tree
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.folders import changed_folder
from featherweight.training.runs.run import Run
from featherweight.training.runs.task import Task, check_task

HELD_OUT_PART = 12
"""One training image in this many is held out: 5,000 of MNIST's 60,000."""


@dataclass(frozen=True, kw_only=True)
class ProofPlan:
    """What a proof is of, and where its runs are kept."""

    experiment: Experiment
    full: Task
    """A run on all training images."""
    held_out: Task
    draft: Run
    """A run before its first step: the network, engine and data of all runs."""
    root: Path | None
    kept: Path
    """The folder of the ledger and of what is committed: `results` in a source tree, otherwise that of the runs."""
    changed: tuple[str, ...]

    @property
    def like(self) -> Record:
        """What a run leaves before its first epoch."""
        return self.draft.record

    @property
    def bar(self) -> Bar:
        """What is asked for."""
        assert self.experiment.bar is not None
        return self.experiment.bar

    @property
    def ledger(self) -> Path:
        """The file of the ledger."""
        return self.kept / LEDGER

    @property
    def held_out_places(self) -> list[Path]:
        """Where runs on held-out images may lie."""
        return [self.held_out.out, self.full.out, self.kept / "heldout"]

    @property
    def places(self) -> list[Path]:
        """Where runs of the seeds that clear the bar may lie."""
        return [self.full.out, *([self.kept] if self.root else [])]

    @property
    def fresh(self) -> Task:
        """A run that confirms; a folder of their own keeps these apart from runs that were trained by hand."""
        return replace(self.full, out=self.full.out / FOLDER / self.experiment.id)

    @property
    def fresh_places(self) -> list[Path]:
        """Where runs that confirm may lie."""
        return [self.fresh.out, *([self.kept / FOLDER] if self.root else [])]

    def attempt(self, seeds: range, *notes: str) -> Attempt:
        """The line of the ledger for these seeds."""
        every_note = [*notes, *([f"changed: {', '.join(self.changed)}"] if self.changed else [])]
        return Attempt(
            experiment=self.experiment.name,
            network=self.like.network,
            recipe=recipe_digest(self.experiment.recipe),
            seeds=tuple(seeds),
            commit=self.like.environment["commit"],
            date=date.today().isoformat(),
            note="; ".join(every_note),
        )


def plan_proof(
    name: str,
    seeds: int | None,
    data: str,
    data_dir: Path | None,
    out: Path,
    tell: Callable[[str], None],
    settings: tuple[tuple[str, Any], ...],
) -> ProofPlan:
    """The plan of a proof with these options, which are those of `prove`; UsageError if it cannot be proved."""
    plain = find(name)
    experiment = overridden(plain, dict(settings))
    if experiment.bar is None:
        raise UsageError(
            f"{experiment.id} defines no acceptance criterion (`bar=`). Write what its seeds must reach into its"
            " Experiment(...), such as:"
            " bar=fw.Bar(seeds=5, confirming=5, passed=4), which four of five within budget clear."
        )
    _require_fixed(experiment, experiment.bar, seeds)
    require_own_name(experiment)
    changed = tuple(changes(experiment, plain))
    if changed:
        out = changed_folder(out, experiment.id, changed)
        tell(f"changed: {', '.join(changed)}; everything goes to {out}, and nothing is kept as a record of {plain.id}")
    data = canonical(experiment.data if data == "auto" else data)
    root = source_tree() if _keeps(experiment, data) and not changed else None
    if root:
        _require_renewed(experiment.id, experiment.bar.seeds, root)
    whole = len(load(data, directory=data_dir, holdout=1).train.labels) + 1
    full = Task(experiment=name, out=out, data=data, data_dir=data_dir, settings=settings)
    held_out = replace(full, out=out / "heldout", holdout=whole // HELD_OUT_PART)
    draft = check_task(held_out)
    tell(f"{experiment.id}: {experiment.budget.sentence()}; asked for {experiment.bar.sentence()}")
    kept = root / "results" if root else out
    return ProofPlan(
        experiment=experiment, full=full, held_out=held_out, draft=draft, root=root, kept=kept, changed=changed
    )


# ------------------------------------------------------------------------------------------- refusing


def _keeps(experiment: Experiment, data: str) -> bool:
    """Whether results are committed: for an experiment of the package on its own set, in its source tree."""
    return data == experiment.data and experiment.name == experiment.id and in_source_tree()


def _require_fixed(experiment: Experiment, bar: Bar, seeds: int | None) -> None:
    """Raise UsageError for any seeds but those of the bar: more would spend fresh ones, fewer would be a choice."""
    if seeds not in (None, bar.seeds):
        raise UsageError(
            f"{experiment.id} is cleared on seeds 0 to {bar.seeds - 1} and confirmed on seeds {bar.fresh[0]} to"
            f" {bar.fresh[-1]}, and on no others; given {seeds} seeds. Leave --seeds out."
        )


def _require_renewed(id: str, seeds: int, root: Path) -> None:
    """Raise UsageError if committed records of other seeds would remain beside those of this proof."""
    left = [record.seed for record in records_of(id, root) if record.seed >= seeds]
    if left:
        raise UsageError(
            f"results/{id} holds seeds {', '.join(map(str, left))}, which {seeds} seeds would leave as they are; remove"
            " those."
        )


def require_own_name(experiment: Experiment) -> None:
    """Raise UsageError if the network prepares pictures and the experiment's name does not say so.

    Such a record stands beside the one without preprocessing, which it must not replace under the same name.
    """
    words = preprocessing_of(experiment.build()).words
    missing = [how for how in (word.split()[0] for word in words) if how not in experiment.id]
    if missing:
        raise UsageError(
            f"{experiment.id} reads pictures that are {' and '.join(words)}, which makes it a separate record, beside"
            f" the one without; give it a name that says so, such as {experiment.id}-{'-'.join(missing)}."
        )


def refusing(plan: ProofPlan) -> Trainer:
    """What takes the place of a trainer where every run of a proof must be there: it refuses."""

    def refuse(tasks: Sequence[Task]) -> tuple[list[Done], list[Failed]]:
        kind, seeds = "held-out" * bool(tasks[0].holdout), ", ".join(str(task.seed) for task in tasks)
        raise not_cleared(plan, f"finished {kind} runs of seeds {seeds} are missing".replace("  ", " "))

    return refuse


def not_cleared(plan: ProofPlan, reason: str) -> UsageError:
    """The error that there is nothing yet to confirm, for this reason."""
    seeds = f"seeds {plan.bar.fresh[0]} to {plan.bar.fresh[-1]}"
    return UsageError(
        f"{plan.experiment.id} has no cleared bar to confirm: {reason}. Run `featherweight prove"
        f" {plan.experiment.name}` first; once its bar is cleared, --confirm runs {seeds}."
    )
