"""Training several runs in parallel, each in its own process, or one run in this process; both yield events.

Two single-threaded runs side by side finish sooner than two runs in sequence with two threads each.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Literal, NoReturn

from featherweight.data import Data, load
from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import Experiment, find, names_file
from featherweight.experiments.override import changes, overridden
from featherweight.training.runs import run as runs
from featherweight.training.runs.environment import cores, device_for
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started
from featherweight.training.runs.fitted import fitted
from featherweight.training.runs.prepare import prepare
from featherweight.training.runs.signals import safe_path, stop_signals, terminable
from featherweight.training.step import steps_in_epoch

SHOW_SECONDS = 0.2
"""Minimum time between progress events; reading the running loss makes a GPU wait."""
WAIT_SECONDS = 0.2
"""Time between checks for a stop signal while waiting for events."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to train, described by values that can be sent to another process."""

    experiment: str
    seed: int = 0
    out: Path = Path("runs")
    data: str = "auto"
    data_dir: Path | None = None
    size: "tuple[int, int] | Literal['own'] | None" = None
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


def check(task: Task) -> runs.Run:
    """The run that the task would start; raises, before any process is started, whatever error the task would cause."""
    data = data_of(task)
    experiment, notes = asked(task, data)
    threads = task.threads or 1
    run = runs.draft_run(
        prepare(experiment, data, engine=task.engine, device=task.device, threads=threads, teachers=task.out)
    )
    run.notes = notes
    return run


def data_of(task: Task) -> Data:
    """The data that a task is to train on: what it names, or the experiment's own set."""
    name = find(task.experiment).data_named(task.data)
    return load(name, directory=task.data_dir, holdout=task.holdout, size=task.size, grey=task.grey)


def asked(task: Task, data: Data) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment that a task is to train, with its settings and a budget that fits the data; and what was changed,
    a sentence each."""
    named = find(task.experiment)
    experiment, fits = fitted(named, data)
    settings = dict(task.settings)
    if task.epochs is not None:
        settings.setdefault("recipe.epochs", task.epochs)
    changed = overridden(experiment, settings)
    said = changes(changed, experiment)
    return changed, tuple(line for line in (fits, f"changed: {', '.join(said)}" if said else "") if line)


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
    data = data_of(task)
    experiment, notes = asked(task, data)
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


def carry_through(task: Task, run: runs.Run) -> Generator[Event, None, None]:
    """Train the run to the end, yielding its start, its progress (a few times a second and per epoch), and its end."""
    steps = steps_in_epoch(run.data, run.experiment.recipe)
    shown = 0.0
    yield Started(label=task.label, folder=run.folder, record=run.record)
    for state in runs.train(run):
        epoch_done = state.step == 0
        if not epoch_done and time.monotonic() - shown < SHOW_SECONDS:
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


def train_all(tasks: Sequence[Task]) -> Generator[Event, None, None]:
    """Train every task, one per core at a time (or one on a GPU), yielding events as they happen.

    A task that fails does not stop the others. After Ctrl-C or SIGTERM no further task is started. Running tasks save
    their state and end as `Failed`, each with the command that resumes it; tasks not yet started end as `Failed` too.
    """
    context = multiprocessing.get_context("spawn")
    on_cpu = device_for(tasks[0].device).type == "cpu"
    workers = max(1, cores() // (tasks[0].threads or 1)) if on_cpu else 1
    waiting = [
        (number, replace(task, threads=task.threads or (None if task.resume else 1)))
        for number, task in enumerate(tasks)
    ]
    running: dict[int, tuple[Any, Any]] = {}
    told = False
    try:
        with stop_signals() as stopped:
            while running or (waiting and not stopped):
                while waiting and not stopped and len(running) < workers:
                    number, task = waiting.pop(0)
                    running[number] = _started(context, task)
                if stopped and not told:
                    told = True
                    for process, _ in running.values():
                        process.terminate()
                yield from (_as_asked(event, stopped) for event in _news(tasks, running))
            for _, task in waiting:
                yield Failed(label=task.label, sentence="Not started.", exit_status=128 + stopped[0])
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, ours in running.values():
            ours.close()  # whoever still has something to tell is told that nobody listens
            process.join()


def _as_asked(event: Event, stopped: list[int]) -> Event:
    """The event, with the exit status of an interrupted task replaced by that of the signal sent to this process."""
    if stopped and isinstance(event, Failed) and event.exit_status in (130, 143):
        return replace(event, exit_status=128 + stopped[0])
    return event


def _started(context: Any, task: Task) -> tuple[Any, Any]:
    """A process for a task, and the end of its pipe that its news come out of.

    Each has a pipe of its own, whose other end no other process holds: one that is killed in the middle of a word
    silences nobody else, and when this process is killed, writing fails and they leave.
    """
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(task, theirs))
    with safe_path():
        process.start()
    theirs.close()
    return process, ours


def _news(tasks: Sequence[Task], running: dict[int, tuple[Any, Any]]) -> Iterator[Event]:
    """What the tasks have to tell, waited for a moment; those that have ended are taken out.

    A process that ends without a last word was ended from outside.
    """
    ready = wait([ours for _, ours in running.values()], timeout=WAIT_SECONDS)
    for number, (_, ours) in [one for one in running.items() if one[1][1] in ready]:
        try:
            event: Event = ours.recv()
        except (EOFError, OSError):
            process, _ = running.pop(number)
            process.join()
            status = process.exitcode
            sentence = f"its process ended with status {status} and said nothing."
            event = Failed(label=tasks[number].label, sentence=sentence, exit_status=128 - status if status < 0 else 1)
        else:
            if isinstance(event, Done | Failed):
                running.pop(number)[0].join()
        yield event


def _work(task: Task, news: Any) -> NoReturn:
    """In the process of one task: train it, and send what happens; where nobody listens, save its state and leave."""
    try:
        try:
            with terminable(), closing(carry_through(task, open_run(task))) as events:
                for event in events:
                    news.send(event)
        except (FeatherweightError, KeyboardInterrupt) as problem:
            status = problem.exit_status if isinstance(problem, FeatherweightError) else 130
            news.send(Failed(label=task.label, sentence=str(problem) or "Stopped.", exit_status=status))
        except BrokenPipeError:
            raise
        except Exception as problem:  # a defect: its traceback goes to standard error, and the other runs go on
            traceback.print_exc()
            sentence = f"{type(problem).__name__}: {problem}"
            news.send(Failed(label=task.label, sentence=sentence, exit_status=1))
        news.close()
    except BrokenPipeError:  # whoever started this process is gone
        os._exit(1)
    os._exit(0)  # all has been told, and taking PyTorch down would keep whoever stops waiting
