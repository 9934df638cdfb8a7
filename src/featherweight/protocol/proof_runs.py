"""The runs of a proof: those that are there, those still to be trained and how long that takes; their accuracy in C."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from featherweight.data.dataset import Data
from featherweight.engine import processors
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record
from featherweight.export import export
from featherweight.io import scratch_folder
from featherweight.protocol.compare import require_alike
from featherweight.training.loop import fit
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.folders import finished_runs, run_like, unfinished_run
from featherweight.training.runs.run import Run
from featherweight.training.runs.signals import STOPPED
from featherweight.training.runs.task import Task
from featherweight.training.runs.trained import load_trained
from featherweight.training.step import steps_in_epoch

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
    """A proof's runs on held-out images, seed by seed; missing ones are trained side by side."""
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
    """A proof's runs on all training images, seed by seed; trained one at a time if seconds are limited."""
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


START = 2.0
"""Seconds that a run takes beside its steps, such as starting its process."""
WARM_UP, MOST_STEPS, SECONDS = 2, 200, 1.0
"""Steps that are not counted, and for how many steps or seconds the others are timed."""
FORWARD = 1 / 3
"""What evaluating a picture costs of a training step's share of one."""


def seconds_of_run(run: Run) -> float:
    """The seconds that a run will take on this machine, with its threads; its state is used up."""
    recipe, data = run.experiment.recipe, run.data
    steps = fit(run.state, data, recipe, 0, run.engine, run.evaluator, run.teacher)
    for _ in islice(steps, WARM_UP):
        pass
    done, started = 0, time.perf_counter()
    for _ in islice(steps, MOST_STEPS):
        done += 1
        if time.perf_counter() - started > SECONDS:
            break
    each = (time.perf_counter() - started) / max(1, done)
    evaluated = len(data.test.labels) + len(data.train.labels) * (recipe.hard is not None)
    share = 1 + FORWARD * evaluated / len(data.train.labels)
    return START + each * steps_in_epoch(data, recipe) * recipe.epochs * share


def duration(seconds: float) -> str:
    """How long a proof will take, in words.

    >>> duration(4.2), duration(700), duration(9000)
    ('5 s', '12 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, -int(-seconds // 1))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def measured_in_c(
    records: Sequence[Record], folders: Sequence[Path], data: Data, tell: Callable[[str], None]
) -> list[Record]:
    """The records with the accuracy of their programs, which are written, compiled where that is possible, and run.

    The weights are those of the finished runs in `folders`; records that have the figure are left as they are. This is
    part of the attempt that trained them and no further look at the test set. Raises UsageError if a run is missing.
    """
    return [record if record.c_accuracy is not None else _with(record, folders, data, tell) for record in records]


def _with(record: Record, folders: Sequence[Path], data: Data, tell: Callable[[str], None]) -> Record:
    runs = (run_like(record, folder, record.seed, finished=True) for folder in folders)
    run = next((found for found in runs if found), None)
    if run is None:
        places = ", ".join(map(str, folders))
        raise UsageError(
            f"The run of {record.experiment}, seed {record.seed}, is not in {places}, so its program cannot be"
            " measured; name the folder of its runs with --out."
        )
    with scratch_folder() as folder:
        about = export(load_trained(run[0]), "c", folder, data=data).about
    accuracy = round(float(about["proof"]["accuracy"]), 2)  # as all accuracies of a record
    tell(f"seed {record.seed} in 8-bit C: {accuracy:.2f} %, as a network {record.verdict.last:.2f} %")
    return replace(record, c_accuracy=accuracy)
