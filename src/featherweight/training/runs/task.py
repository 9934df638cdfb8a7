"""A task is one run: described, its experiment adapted to data and settings, checked, opened, trained with events."""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.experiments.experiment import Experiment, find, names_file
from featherweight.experiments.record import Size
from featherweight.experiments.settings import changes, overridden
from featherweight.networks.anatomy import dissect
from featherweight.training.runs import run as runs
from featherweight.training.runs.events import Done, Event, Progress, Started
from featherweight.training.runs.prepare import prepare
from featherweight.training.step import steps_in_epoch

CLASSES = 10
"""Classes of every set that the package's experiments were made for."""


def adapt(experiment: Experiment, data: Data, settings: Mapping[str, Any]) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment as it is trained on the data, and what was changed, a sentence each."""
    fitting, note = adapt_budget(experiment, data)
    changed = overridden(fitting, settings)
    words = ", ".join(changes(changed, fitting))
    return changed, tuple(line for line in (note, words and f"changed: {words}") if line)


def adapt_budget(experiment: Experiment, data: Data) -> tuple[Experiment, str]:
    """The experiment with a budget that fits the data, and the sentence that says so.

    A network for colour pictures or more classes has more weights in its first and last layer, which its budget was not
    made for: the budget is given as much as they add. Experiments in files of the user's own are left as they are, and
    so is every one on data with as many channels and classes as its own set's.
    """
    channels, height, width = map(int, data.train.images.shape[1:])
    classes = len(data.classes)
    if not experiment.packaged or (channels, classes) == (experiment.shape[0], CLASSES):
        return experiment, ""
    here = dissect(experiment.build(channels, classes), (channels, height, width))
    home = dissect(experiment.build(), experiment.shape)
    more = here.parameters - home.parameters
    budget = replace(experiment.budget, parameters=max(1, experiment.budget.parameters + more))
    words = f"{budget.parameters:,} parameters, {abs(more):,} {'more' if more >= 0 else 'fewer'} than its own"
    if budget.macs is not None and here.macs > home.macs:
        budget = replace(budget, macs=budget.macs + here.macs - home.macs)
        words += f", and {budget.macs:,} MACs, {here.macs - home.macs:,} more"
    if budget == experiment.budget:
        return experiment, ""
    what = f"{channels} channel{'s' * (channels != 1)} and {classes} classes"
    made_for = experiment.shape[0]
    sentence = (
        f"{experiment.id} is made for {made_for} channel{'s' * (made_for != 1)} and {CLASSES} classes; for {what} its"
    )
    sentence += f" budget is {words}"
    return replace(experiment, budget=budget), sentence


SHOW_SECONDS = 0.2
"""Minimum time between progress events; reading the running loss makes a GPU wait."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task: one run to train, described by values that can be sent to another process."""

    experiment: str
    seed: int = 0
    out: Path = Path("runs")
    data: str = "auto"
    data_dir: Path | None = None
    size: Size = None
    grey: bool = False
    holdout: int = 0
    epochs: int | None = None
    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    resume: Path | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    """Dotted names of the recipe's and budget's settings that are changed, and their values."""

    @property
    def label(self) -> str:
        """The name of the task in events."""
        return str(self.resume) if self.resume else f"{self.experiment} seed {self.seed}"


def check_task(task: Task) -> runs.Run:
    """The run that the task would start; raises, before any process is started, whatever error the task would cause."""
    experiment, data, notes = resolve(task)
    prepared = prepare(experiment, data, engine=task.engine, device=task.device, threads=1, teachers=task.out)
    run = runs.draft_run(replace(prepared, threads=task.threads or 1))  # a node may have more processors than this one
    run.notes = notes
    return run


def resolve(task: Task, data: Data | None = None) -> tuple[Experiment, Data, tuple[str, ...]]:
    """The experiment that a task is to train, with its settings and a budget that fits the data; the data, by default
    what the task names or the experiment's own set; and what was changed, a sentence each."""
    named = find(task.experiment)
    data = task_data(task, named) if data is None else data
    settings = dict(task.settings)
    if task.epochs is not None:
        settings.setdefault("recipe.epochs", task.epochs)
    experiment, notes = adapt(named, data, settings)
    return experiment, data, notes


def task_data(task: Task, named: Experiment) -> Data:
    """The data that a task is to train this experiment on: what it names, or the experiment's own set."""
    name = named.data_named(task.data)
    return load(name, directory=task.data_dir, holdout=task.holdout, size=task.size, grey=task.grey)


def open_run(task: Task) -> runs.Run:
    """The run of a task, ready for its first (or next) step."""
    if task.resume:
        return runs.resume(
            task.resume,
            data_dir=task.data_dir,
            device=None if task.device == "auto" else task.device,
            threads=task.threads,
            experiment=Path(task.experiment) if names_file(task.experiment) else None,
        )
    experiment, data, notes = resolve(task)
    run = runs.new_run(
        experiment,
        data,
        seed=task.seed,
        out=task.out,
        engine=task.engine,
        device=task.device,
        threads=task.threads,
    )
    run.notes = notes
    return run


def run_task(task: Task, run: runs.Run, every: float = SHOW_SECONDS) -> Generator[Event, None, None]:
    """Train the run to the end, yielding its start, its progress (each epoch, and `every` few seconds), and its end."""
    steps = steps_in_epoch(run.data, run.experiment.recipe)
    shown = 0.0
    yield Started(label=task.label, folder=run.folder, record=run.record)
    for state in runs.train(run):
        epoch_done = state.step == 0
        if not epoch_done and time.monotonic() - shown < every:
            continue
        shown = time.monotonic()
        seen = max(1, state.seen)
        yield Progress(
            label=task.label,
            epoch=state.epoch if epoch_done else state.epoch + 1,
            epochs=run.experiment.recipe.epochs,
            step=steps if epoch_done else state.step,
            steps=steps,
            lr=state.lr,
            loss=state.rows[-1].train_loss if epoch_done else float(state.loss_sum) / seen,
            accuracy=state.rows[-1].train_accuracy if epoch_done else 100 * int(state.correct) / seen,
            seconds=state.rows[-1].seconds if epoch_done else state.epoch_seconds,
            row=state.rows[-1] if epoch_done else None,
            tested=len(run.data.test.labels),
            held_out=run.data.holdout > 0,
        )
    yield Done(label=task.label, folder=run.folder, record=run.record)
