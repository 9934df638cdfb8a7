"""How long runs that are about to be trained will take, from some of their steps."""

import time
from collections.abc import Sequence
from itertools import islice

from featherweight.engine import processors
from featherweight.training.loop import fit
from featherweight.training.runs.run import Run
from featherweight.training.runs.task import Task, check_task
from featherweight.training.step import steps_in_epoch

START = 2.0
"""Seconds that a run takes beside its steps, such as starting its process."""
WARM_UP, MOST_STEPS, SECONDS = 2, 200, 1.0
"""Steps that are not counted, and for how many steps or seconds the others are timed."""
WORTH_SAYING = 60.0
"""Seconds below which nobody needs to be told how long it takes."""
FORWARD = 1 / 3
"""What evaluating a picture costs of a training step's share of one."""


def time_sentence(tasks: Sequence[Task]) -> str:
    """How long these tasks will take side by side on this machine, where that is a minute or more; else empty."""
    alike: dict[tuple[object, ...], list[Task]] = {}
    for task in tasks:
        alike.setdefault((task.experiment, task.data, task.epochs, task.settings), []).append(task)
    measured = SECONDS / len(alike) if alike else 0.0
    each = [len(group) * seconds_of_run(check_task(group[0]), measured) for group in alike.values()]
    seconds = sum(each) / min(len(tasks), processors()) if tasks else 0.0
    many = f"{len(tasks)} runs take" if len(tasks) > 1 else "it takes"
    return f"{many} about {duration(seconds)} on this machine" if seconds >= WORTH_SAYING else ""


def seconds_of_run(run: Run, measured: float = SECONDS) -> float:
    """The seconds that a run will take on this machine, with its threads, from `measured` seconds of its steps; its
    state is used up."""
    recipe, data = run.experiment.recipe, run.data
    steps = fit(run.state, data, recipe, 0, run.engine, run.evaluator, run.teacher)
    for _ in islice(steps, WARM_UP):
        pass
    done, started = 0, time.perf_counter()
    for _ in islice(steps, MOST_STEPS):
        done += 1
        if time.perf_counter() - started > measured:
            break
    each = (time.perf_counter() - started) / max(1, done)
    evaluated = len(data.test.labels) + len(data.train.labels) * (recipe.hard is not None)
    share = 1 + FORWARD * evaluated / len(data.train.labels)
    return START + each * steps_in_epoch(data, recipe) * recipe.epochs * share


def duration(seconds: float) -> str:
    """A time to wait, in words.

    >>> duration(4.2), duration(700), duration(9000)
    ('5 s', '12 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(1, -int(-seconds // 1))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
