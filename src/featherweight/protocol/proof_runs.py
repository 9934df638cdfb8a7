"""The runs of a proof: those that are there already, and those that are still to be trained."""

from collections.abc import Callable, Sequence
from pathlib import Path

from featherweight.engine import processors
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record
from featherweight.protocol.compare import require_alike
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.folders import finished_runs, unfinished_run
from featherweight.training.runs.signals import STOPPED
from featherweight.training.runs.task import Task

Trainer = Callable[[Sequence[Task]], tuple[list[Done], list[Failed]]]
"""Trains tasks; returns those that finished and those that did not."""

HELD_OUT_SEEDS = 3


class StoppedError(FeatherweightError):
    """A run of the proof did not finish; `exit_status` is that run's."""

    def __init__(self, sentence: str, exit_status: int) -> None:
        super().__init__(sentence)
        self.exit_status = exit_status


def held_out_runs(
    experiment: Experiment, task: Task, like: Record, folders: Sequence[Path], trainer: Trainer
) -> list[Record]:
    """Runs on held-out images, seed by seed; missing ones are trained side by side."""
    source, seeds = like.data["source"], range(HELD_OUT_SEEDS)
    have = finished_runs(experiment, folders, seeds, source, task.holdout)
    tasks = _missing(experiment, task, seeds, have, source)
    runs = sorted([*have, *_trained(tasks, trainer)], key=lambda record: record.seed)
    require_alike(runs)
    return runs


def begun(experiment: Experiment, folders: Sequence[Path], source: str, seeds: Sequence[int]) -> bool:
    """Whether any of these seeds has a run on all training images, finished or stopped."""
    return bool(finished_runs(experiment, folders, seeds, source)) or any(
        unfinished_run(experiment, folder, seed, source) for folder in folders for seed in seeds
    )


def full_runs(
    experiment: Experiment,
    task: Task,
    like: Record,
    seeds: Sequence[int],
    folders: Sequence[Path],
    trainer: Trainer,
    tell: Callable[[str], None],
) -> list[Record]:
    """Runs on all training images, seed by seed; trained side by side, or one at a time if seconds are limited."""
    threads, source = timed_threads(experiment), like.data["source"]
    timed = threads is not None

    def wanted(record: Record) -> bool:
        return not timed or record.environment["threads"] == threads

    have = finished_runs(experiment, folders, seeds, source, wanted=wanted)
    others = [record.seed for record in have if record.engine != like.engine]
    if others:
        raise UsageError(
            f"Seeds {', '.join(map(str, others))} of {experiment.id} ran on a different engine from this machine's"
            f" {like.engine}; remove their runs, or prove it where they ran."
        )
    tasks = [Task(**vars(one) | {"threads": threads}) for one in _missing(experiment, task, seeds, have, source)]
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


def require_comparable(experiment: Experiment, like: Record, found: Sequence[Record]) -> None:
    """Raise UsageError if these runs, which are not to be trained again, have another engine or number of threads."""
    threads = timed_threads(experiment)
    here = like.engine, threads
    others = [run.seed for run in found if (run.engine, threads and run.environment["threads"]) != here]
    if others:
        what = f"engine {like.engine}" + f" and {threads} threads" * bool(threads)
        raise UsageError(
            f"Seeds {', '.join(map(str, others))} of {experiment.id} did not run on this machine's {what}; they run"
            " once only, so confirm it where they ran."
        )


def require_one_processor(records: Sequence[Record]) -> None:
    """Raise UsageError if processors differ, whose last bits may."""
    kinds: dict[str, list[int]] = {}
    for record in records:
        kind = f"{record.environment.get('processor')} with {record.environment['instructions']}"
        kinds.setdefault(kind, []).append(record.seed)
    if len(kinds) > 1:
        which = "; ".join(f"seeds {', '.join(map(str, sorted(set(seeds))))} on {kind}" for kind, seeds in kinds.items())
        raise UsageError(f"The runs come from different processors: {which}. Pass --mixed to combine them.")


def timed_threads(experiment: Experiment) -> int | None:
    """The number of threads of each run if seconds are limited; None if they are not."""
    bar = experiment.bar
    timed = experiment.budget.seconds is not None or (bar is not None and bar.seconds is not None)
    return min(processors(), (bar and bar.threads) or processors()) if timed else None


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
            f"{len(failed)} of {len(tasks)} runs did not finish; the same command resumes them.",
            worst.exit_status,
        )
    return [one.record for one in done]
