"""The protocol that establishes a record, as one command: no step depends on anyone's word.

1. Held-out evidence: exactly this network and recipe, trained on all but a twelfth of the training images (5,000 of
   MNIST's) and judged on that twelfth, over three seeds. Missing runs are trained.
2. A line in the ledger of test-set evaluations, written before the test set is opened, unless runs of these seeds
   exist and are resumed.
3. Seeds 0 to N - 1 on all training images; finished runs count, and stopped ones are resumed. If seconds are limited,
   one run at a time.
   If the program in C counts, it is written and measured for each.
4. The records are committed, good or bad, and every text that quotes them is rewritten.
5. The figures over all seeds, and whether the experiment's bar is cleared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from featherweight.data import load
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.override import changes, overridden
from featherweight.experiments.record import Record, summarise, write_record
from featherweight.experiments.rules import named
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import run_json
from featherweight.prove import publish
from featherweight.prove.compare import require_alike
from featherweight.prove.in_c import measured_in_c
from featherweight.prove.ledger import Attempt, evaluations_of, note_attempt, read_ledger, recipe_digest
from featherweight.training.runs.environment import cores
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.folders import changed_folder, finished_runs, unfinished_run
from featherweight.training.runs.parallel import Task, check
from featherweight.training.runs.signals import STOPPED

Trainer = Callable[[Sequence[Task]], tuple[list[Done], list[Failed]]]
"""Trains tasks; returns those that finished and those that did not."""

HELD_OUT_SEEDS = 3
HELD_OUT_PART = 12
"""One training image in this many is held out: 5,000 of MNIST's 60,000."""


class StoppedError(FeatherweightError):
    """A run of the proof did not finish; `exit_status` is that run's."""

    def __init__(self, sentence: str, exit_status: int) -> None:
        super().__init__(sentence)
        self.exit_status = exit_status


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The result of a proof."""

    experiment: Experiment
    held_out: tuple[Record, ...]
    runs: tuple[Record, ...]
    test_evaluations: int
    root: Path | None
    """The source tree that it was committed to, if any."""
    changed: tuple[str, ...] = ()
    """Settings that differ from the experiment of this name, as one phrase each."""

    @property
    def shortfalls(self) -> list[str]:
        """The requirements of the bar that the runs do not meet, as phrases."""
        assert self.experiment.bar is not None
        return self.experiment.bar.shortfalls(self.runs)

    def lines(self) -> list[str]:
        """The figures and the verdict as lines of text."""
        assert self.experiment.bar is not None
        held, full = summarise(self.held_out), summarise(self.runs)
        interval = "{:.3f} to {:.3f}".format(*mean_interval(list(full.per_seed.values()))) if full.runs > 1 else "none"
        asked = self.experiment.bar.sentence()
        what = f"{self.experiment.id} with {', '.join(self.changed)}" if self.changed else self.experiment.id
        return [
            f"held out: mean {held.mean:.3f} % over {held.runs} seeds, worst judged epoch {held.worst_of_last:.2f} %",
            f"test set: mean {full.mean:.3f} %, standard deviation {full.standard_deviation:.3f}, 95 % interval"
            f" {interval}, worst {full.worst:.2f} %, worst judged epoch {full.worst_of_last:.2f} %",
            f"{full.passed} of {full.runs} seeds within budget; test-set evaluations: {self.test_evaluations}",
            *(f"falls short: {clause}" for clause in self.shortfalls),
            f"{'NOT PROVED' if self.shortfalls else 'PROVED'}: {what}, {asked}",
        ]

    def to_json(self) -> dict[str, Any]:
        """The proof as plain values for JSON."""
        assert self.experiment.bar is not None
        full = summarise(self.runs)
        last = list(full.per_seed.values())
        return {
            "experiment": self.experiment.name,
            "changed": list(self.changed),
            "proved": not self.shortfalls,
            "bar": self.experiment.bar.to_json(),
            "shortfalls": self.shortfalls,
            "mean": full.mean,
            "standard_deviation": full.standard_deviation,
            "interval": list(mean_interval(last)) if len(last) > 1 else None,
            "worst": full.worst,
            "worst_of_last": full.worst_of_last,
            "passed": full.passed,
            "touches": self.test_evaluations,
            "held_out": {"seeds": len(self.held_out), "mean": summarise(self.held_out).mean},
            "runs": [_run_json(record) for record in self.runs],
        }


def _run_json(record: Record) -> dict[str, Any]:
    """A run as in `train --json`, but with the seconds of training instead of the folder."""
    document = run_json(record, Path()) | {"seconds": record.train_seconds}
    del document["run"]
    return document


def prove(
    name: str,
    *,
    seeds: int | None = None,
    data: str = "auto",
    data_dir: Path | None = None,
    out: Path = Path("runs"),
    trainer: Trainer,
    tell: Callable[[str], None],
    settings: tuple[tuple[str, Any], ...] = (),
    alike: bool = False,
) -> Proof:
    """Carry out the protocol and return its result; `tell` gets a sentence about each step, `trainer` trains the runs.

    By default, `seeds` is the number that the bar asks for; with `data` as `auto`, the experiment's own set is used. In
    a source tree, the evidence of an experiment of the package on its own set is kept in `results/`, else in `out`.
    With `settings` that change it (as in `override`), everything is kept in a separate folder within `out`.
    `alike` refuses runs of different processors, which a cluster may have. Raises UsageError if the experiment has no
    bar or the runs are not alike, StoppedError if a run did not finish.
    """
    plain = find(name)
    experiment = overridden(plain, dict(settings))
    if experiment.bar is None:
        raise UsageError(f"{experiment.id} has no bar to clear; write `bar=Bar(...)` in its Experiment(...).")
    changed = changes(experiment, plain)
    if changed:
        out = changed_folder(out, experiment.id, changed)
        tell(f"changed: {', '.join(changed)}; everything goes to {out}, and nothing is kept as a record of {plain.id}")
    data, seeds = named(experiment.data if data == "auto" else data), seeds or experiment.bar.seeds
    root = publish.source_tree() if _keeps(experiment, data) and not changed else None
    kept = root / "results" if root else out
    if root:
        _require_renewed(experiment.id, seeds, root)
    whole = len(load(data, directory=data_dir, holdout=1).train.labels) + 1
    full = Task(experiment=name, out=out, data=data, data_dir=data_dir, settings=settings)
    task = replace(full, out=out / "heldout", holdout=whole // HELD_OUT_PART)
    like = check(task).record
    tell(f"{experiment.id}: {experiment.budget.sentence()}; asked for {experiment.bar.sentence()}")
    held = _held_out(experiment, task, like, [out / "heldout", out, kept / "heldout"], trainer)
    if root:
        for record in held:
            folder = kept / "heldout" / experiment.id
            folder.mkdir(parents=True, exist_ok=True)
            write_record(record, folder / f"seed{record.seed}.json")
    attempt = Attempt(
        experiment=experiment.name,
        network=like.network,
        recipe=recipe_digest(experiment.recipe),
        seeds=tuple(range(seeds)),
        commit=like.environment["commit"],
        date=date.today().isoformat(),
        note=f"changed: {', '.join(changed)}" if changed else "",
    )
    places = [out, *([kept] if root else [])]
    new = note_attempt(kept / "touches.json", attempt, begun=_begun(experiment, places, like, seeds))
    evaluations = evaluations_of(read_ledger(kept / "touches.json"), experiment.name, committed=True)
    tell(f"{'this is' if new else 'resumed:'} test-set evaluation {evaluations}, written to {kept / 'touches.json'}")
    runs = _full(experiment, full, like, seeds, places, trainer, tell)
    if experiment.bar.mean_in_c is not None:
        runs = measured_in_c(runs, [out], load(data, directory=data_dir), tell)
    if alike:
        _require_one_processor([*held, *runs])
    if root:
        for record in runs:
            publish.keep_record(record, root)
        for path in publish.write(root):
            tell(f"wrote {path.relative_to(root)}")
    return Proof(
        experiment=experiment,
        held_out=tuple(held),
        runs=tuple(runs),
        test_evaluations=evaluations,
        root=root,
        changed=tuple(changed),
    )


def _require_one_processor(records: Sequence[Record]) -> None:
    """Raise UsageError if processors differ, whose last bits may."""
    kinds: dict[str, list[int]] = {}
    for record in records:
        kind = f"{record.environment.get('processor')} with {record.environment['instructions']}"
        kinds.setdefault(kind, []).append(record.seed)
    if len(kinds) > 1:
        which = "; ".join(f"seeds {', '.join(map(str, sorted(set(seeds))))} on {kind}" for kind, seeds in kinds.items())
        raise UsageError(f"The runs are of different processors: {which}. With --mixed, they are taken together.")


def _keeps(experiment: Experiment, data: str) -> bool:
    """Whether results are committed: for an experiment of the package on its own set, in its source tree."""
    return data == experiment.data and experiment.name == experiment.id and publish.in_source_tree()


def _require_renewed(id: str, seeds: int, root: Path) -> None:
    """Raise UsageError if committed records of other seeds would remain beside those of this proof."""
    left = [record.seed for record in publish.records_of(id, root) if record.seed >= seeds]
    if left:
        raise UsageError(
            f"results/{id} holds seeds {', '.join(map(str, left))}, which {seeds} seeds would leave as they are; prove"
            f" {max(left) + 1} seeds, or remove those."
        )


def _held_out(
    experiment: Experiment, task: Task, like: Record, folders: Sequence[Path], trainer: Trainer
) -> list[Record]:
    """Runs on held-out images, seed by seed; missing ones are trained side by side."""
    source, seeds = like.data["source"], range(HELD_OUT_SEEDS)
    have = finished_runs(experiment, folders, seeds, source, task.holdout)
    tasks = _missing(experiment, task, seeds, have, source)
    runs = sorted([*have, *_trained(tasks, trainer)], key=lambda record: record.seed)
    require_alike(runs)
    return runs


def _begun(experiment: Experiment, folders: Sequence[Path], like: Record, seeds: int) -> bool:
    """Whether any of these seeds has a run on all training images, finished or stopped."""
    source = like.data["source"]
    return bool(finished_runs(experiment, folders, range(seeds), source)) or any(
        unfinished_run(experiment, folder, seed, source) for folder in folders for seed in range(seeds)
    )


def _full(
    experiment: Experiment,
    task: Task,
    like: Record,
    seeds: int,
    folders: Sequence[Path],
    trainer: Trainer,
    tell: Callable[[str], None],
) -> list[Record]:
    """Runs on all training images, seed by seed; trained side by side, or one at a time if seconds are limited."""
    bar = experiment.bar
    timed = experiment.budget.seconds is not None or (bar is not None and bar.seconds is not None)
    threads = min(cores(), (bar and bar.threads) or cores()) if timed else None
    source = like.data["source"]

    def wanted(record: Record) -> bool:
        return not timed or record.environment["threads"] == threads

    have = finished_runs(experiment, folders, range(seeds), source, wanted=wanted)
    others = [record.seed for record in have if record.engine != like.engine]
    if others:
        raise UsageError(
            f"Seeds {', '.join(map(str, others))} of {experiment.id} ran on another engine than this machine's"
            f" {like.engine}; remove their runs, or prove it where they ran."
        )
    tasks = [Task(**vars(one) | {"threads": threads}) for one in _missing(experiment, task, range(seeds), have, source)]
    if timed and tasks:
        tell(f"seconds are limited, so the runs go one at a time, on {threads} threads; leave the machine alone")
        trained = [record for one in tasks for record in _trained([one], trainer)]
    else:
        trained = _trained(tasks, trainer)
    runs = sorted([*have, *trained], key=lambda record: record.seed)
    require_alike(runs)
    machines = {(record.environment.get("processor"), record.environment["threads"]) for record in runs}
    if timed and len(machines) > 1:
        raise UsageError(f"The seconds of {experiment.id} were measured on different machines: {sorted(machines)}.")
    return runs


def _missing(
    experiment: Experiment, task: Task, seeds: Sequence[int], have: Sequence[Record], source: str
) -> list[Task]:
    """A task for each seed that has no finished run; stopped runs are resumed."""
    done = {record.seed for record in have}
    return [
        Task(**vars(task) | {"seed": seed, "resume": unfinished_run(experiment, task.out, seed, source, task.holdout)})
        for seed in seeds
        if seed not in done
    ]


def _trained(tasks: Sequence[Task], trainer: Trainer) -> list[Record]:
    """The records of these tasks; StoppedError unless all finish. Finished ones are found again next time."""
    if not tasks:
        return []
    done, failed = trainer(tasks)
    if failed:
        worst = max(failed, key=lambda one: (one.exit_status in STOPPED, one.exit_status))
        raise StoppedError(
            f"{len(failed)} of {len(tasks)} runs did not finish; the same command resumes them where they are.",
            worst.exit_status,
        )
    return [one.record for one in done]
