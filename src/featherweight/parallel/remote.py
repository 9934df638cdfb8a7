"""Runs that are trained on another machine and kept on this one.

A node has a task, its experiment and its data from the driver, trains in a temporary folder, and sends the files of the
run back: the exact state and the record after each epoch or every 30 s, and at the end the record, the table and the
weights. The driver alone writes into the run's folder, so that nothing else has to be shared. A task whose node is lost
is sent out again with its last state, like a run that is resumed.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.errors import InterruptedRunError, UsageError
from featherweight.experiments.experiment import Experiment, find, names_file
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.io import remove_parts, scratch_folder
from featherweight.parallel.messages import Backend, Finished, Work
from featherweight.parallel.pool import Pool
from featherweight.parallel.transfer import Files, Packed, files_of, pack, put, unpack
from featherweight.training import distillation
from featherweight.training.runs import run as runs
from featherweight.training.runs.checkpoint import previous, remove_states
from featherweight.training.runs.environment import describe_environment, device_for
from featherweight.training.runs.events import Done, Event, Failed, Note, Progress, Started
from featherweight.training.runs.folders import exclusive, new_folder
from featherweight.training.runs.restore import experiment_of, keep_source
from featherweight.training.runs.task import Task, resolve, run_task, task_data
from featherweight.training.runs.trained import FOLDER
from featherweight.training.runs.trained import data_of as data_of_record

RECORD, TABLE, WEIGHTS, STATE = "record.json", "metrics.csv", "weights.safetensors", "state.safetensors"
EVERY, MOST_A_SECOND = 0.5, 200.0
"""Seconds between two progress events of a task, and how many of them the driver is to hear in a second at most."""
MEMORY = 1_200_000_000
"""Bytes stated for a task: about 0.6 GB of Python and PyTorch, and what batches of a small network take, doubled."""


@dataclass(frozen=True, kw_only=True)
class RemoteTask:
    """A task as it goes to a node."""

    task: Task
    experiment: Experiment | None
    """None for a run to be resumed, whose record says what it is."""
    resumed: Files | None
    teachers: dict[str, Files]
    name: str
    """Of the run's folder where it is known."""
    every: float


def train_on_node(given: RemoteTask, packed: Packed, *, stopped: Any) -> Iterator[Event | Files]:
    """On a node: train a task in a folder that is removed afterwards, yielding events and the files to be kept."""
    data = unpack(packed)
    with scratch_folder() as out:
        for teacher, files in given.teachers.items():
            put(files, out / teacher)
        run, note = _opened(given, data, out)
        if note:
            yield Note(sentence=note)
        sent = time.monotonic()
        with closing(run_task(given.task, run, given.every)) as events:
            for event in events:
                if isinstance(event, Done):
                    yield files_of(run.folder, (WEIGHTS, TABLE, RECORD), final=True)
                yield event
                epoch_done = isinstance(event, Progress) and event.row is not None
                if epoch_done or time.monotonic() - sent > runs.SAVE_SECONDS:
                    sent = time.monotonic()
                    yield files_of(run.folder, (STATE, RECORD, TABLE))
                if stopped():
                    break
        if not run.record.finished:
            yield files_of(run.folder, (STATE, RECORD, TABLE))


def _opened(given: RemoteTask, data: Data, out: Path) -> tuple[runs.Run, str]:
    """The run of a task, and a sentence where it had to begin anew because its state is another kind of machine's."""
    task, experiment, note = given.task, given.experiment, ""
    if given.resumed is not None:
        folder = out / given.name
        put(given.resumed, folder)
        record = read_record(folder)
        experiment = experiment or experiment_of(record)
        mine = describe_environment(device_for(record.environment["device_type"]), task.threads or 1)
        other = [name for name in ("featherweight", "torch", "device", "instructions")
                 if mine[name] != record.environment[name]]  # fmt: skip
        if not other:
            device = None if task.device == "auto" else task.device
            return runs.resume(folder, data=data, device=device, threads=task.threads, experiment=experiment), ""
        was = ", ".join(f"{name} {record.environment[name]}" for name in other)
        note = f"{given.name} begins anew on a machine that is unlike the one where it was stopped ({was})."
        shutil.rmtree(folder)
    assert experiment is not None
    run = runs.new_run(
        experiment, data, seed=task.seed, out=out, engine=task.engine, device=task.device, threads=task.threads
    )
    return run, note


@dataclass(kw_only=True)
class TaskState:
    """What the driver knows of a task."""

    folder: Path | None = None
    there: str = ""
    """The run's folder on the node, for sentences that name it."""
    epochs: int = 0
    """Epochs that have been reported."""
    started: bool = False
    done: bool = False
    lock: ExitStack = field(default_factory=ExitStack)


class RemoteCoordinator:
    """What sends tasks out to nodes, and keeps what comes back in the folders of their runs."""

    def __init__(
        self, tasks: Sequence[Task], pool: Pool, on: Backend, ready: tuple[Experiment, Data] | None = None
    ) -> None:
        self._tasks, self._pool, self._on, self._ready = tasks, pool, on, ready
        self._states = [TaskState(folder=task.resume) for task in tasks]
        self._data: dict[Any, tuple[Data, Any]] = {}
        self._every = max(EVERY, len(tasks) / MOST_A_SECOND)

    def work_for(self, number: int) -> tuple[Work, tuple[Any, ...]]:
        """The work of a task, with its data and with the files of the run where there are some already."""
        task, state = self._tasks[number], self._states[number]
        resumed = None
        if state.folder is not None:
            if not state.started:
                state.lock.enter_context(exclusive(state.folder))
                remove_parts(state.folder)
            resumed = files_of(state.folder, (RECORD, STATE, previous(Path(STATE)).name))
        if task.resume is not None:
            experiment, data, packed, place = self._to_resume(task)
        else:
            experiment, data, packed = self._to_begin(task)
            place = task.out
        recipe = experiment.recipe if experiment else Recipe.from_json(read_record(task.resume or place).recipe)
        taught = distillation.teacher_runs(recipe.distil, data.summary(), place) if recipe.distil else []
        device = "cpu" if task.device == "auto" and not self._on.gpus and task.resume is None else task.device
        given = RemoteTask(
            task=replace(task, resume=None, out=Path(), data_dir=None, device=device),
            experiment=_as_sent(experiment),
            resumed=resumed if resumed and STATE in resumed.contents else None,
            teachers={one.name: files_of(one, (RECORD, WEIGHTS)) for one in taught
                      if not one.is_relative_to(FOLDER)},
            name=state.folder.name if state.folder else "",
            every=self._every,
        )  # fmt: skip
        return train_on_node, (given, packed)

    def _to_begin(self, task: Task) -> tuple[Experiment, Data, Any]:
        if self._ready is not None:
            experiment, data = self._ready
            return experiment, data, self._packed(data.name, lambda: data)[1]
        named = find(task.experiment)
        key = (named.data_named(task.data), task.data_dir, task.size, task.grey, task.holdout)
        data, packed = self._packed(key, lambda: task_data(task, named))
        return resolve(task, data)[0], data, packed

    def _to_resume(self, task: Task) -> tuple[Experiment, Data, Any, Path]:
        """The experiment of the user's file if one is named, else what the run's record says."""
        assert task.resume is not None
        record = read_record(task.resume)
        if record.finished:
            raise UsageError(f"The run of {task.resume} is finished; nothing is left to train.")
        key = tuple(str(record.data.get(name)) for name in ("source", "holdout", "seed", "size", "fitting", "grey"))
        data, packed = self._packed(key, lambda: data_of_record(record, task.data_dir))
        file = Path(task.experiment) if names_file(task.experiment) else None
        return experiment_of(record, file), data, packed, task.resume.parent

    def _packed(self, key: Any, load: Any) -> tuple[Data, Any]:
        """Data, loaded and put into the object store once."""
        if key not in self._data:
            data = load()
            self._data[key] = data, self._pool.put(pack(data))
        return self._data[key]

    def on_message(self, number: int, value: Any) -> Iterator[Event]:
        """Keep what a node has sent; yield what others are to know, with this machine's folder."""
        task, state = self._tasks[number], self._states[number]
        match value:
            case Files():
                self._keep(state, value)
            case Started():
                again, state.there = state.started, str(value.folder)
                self._begin(task, state, value)
                if not again:
                    assert state.folder is not None
                    yield replace(value, label=task.label, folder=state.folder)
            case Progress():
                if value.row is None or value.row.epoch > state.epochs:
                    state.epochs = value.row.epoch if value.row else state.epochs
                    yield replace(value, label=task.label)
            case Done():
                state.done = True
                assert state.folder is not None
                yield replace(value, label=task.label, folder=state.folder)
            case Note():
                yield value

    def _begin(self, task: Task, state: TaskState, event: Started) -> None:
        state.started = True
        if state.folder is not None:
            return
        with new_folder(task.out, event.folder.name) as state.folder:
            state.lock.enter_context(exclusive(state.folder))
            keep_source(self._ready[0] if self._ready else find(task.experiment), state.folder)
            write_record(event.record, state.folder / RECORD)

    def _keep(self, state: TaskState, files: Files) -> None:
        assert state.folder is not None
        path = state.folder / STATE
        put(files, state.folder, keep={STATE: previous(path)})
        if files.final:
            remove_states(path)

    def on_finished(self, finished: Finished, signal: int) -> Failed | None:
        """The failure that the end of a task was; None where it has finished."""
        task, state = self._tasks[finished.number], self._states[finished.number]
        state.lock.close()
        if state.done:
            return None
        if signal and (not finished.sentence or finished.lost):
            sentence = str(InterruptedRunError(signal, state.folder)) if state.folder else "Stopped."
            return Failed(label=task.label, sentence=sentence, exit_status=128 + signal)
        sentence = finished.sentence.replace(state.there, str(state.folder)) if state.there else finished.sentence
        return Failed(
            label=task.label, sentence=sentence or "It ended without a result.", exit_status=finished.status or 1
        )

    def close(self) -> None:
        """Release the folders."""
        for state in self._states:
            state.lock.close()


def _as_sent(experiment: Experiment | None) -> Experiment | None:
    """The experiment as a node takes it: one of the package without this machine's path, others with their code."""
    if experiment is None:
        return None
    from featherweight.parallel.ray_cluster import by_value

    by_value(experiment.network)
    return replace(experiment, file=None) if experiment.packaged else experiment
