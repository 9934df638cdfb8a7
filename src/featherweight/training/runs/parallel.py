"""Tasks in, progress out: one run in this process, or several side by side in processes of their own.

Two single-threaded runs side by side finish sooner than two after one another on two threads.
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
from typing import Any, NoReturn

from featherweight.data import load
from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import Experiment, find
from featherweight.training.loop import steps_in_epoch
from featherweight.training.runs import run as runs
from featherweight.training.runs.environment import cores, device_for
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started
from featherweight.training.runs.signals import safe_path, stop_signals, terminable

SHOW_SECONDS = 0.2
"""Progress is told at most this often; reading the running loss makes a GPU wait."""
WAIT_SECONDS = 0.2
"""Whoever waits for news looks this often whether it has been asked to stop."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run to be trained, in words that can be sent to another process."""

    experiment: str
    seed: int = 0
    out: Path = Path("runs")
    data: str = "auto"
    data_dir: Path | None = None
    holdout: int = 0
    epochs: int | None = None
    engine: str = "auto"
    device: str = "auto"
    threads: int | None = None
    resume: Path | None = None
    trust: bool = False
    """Whether the Python file that the record of `resume` names may be executed."""

    @property
    def label(self) -> str:
        """How progress names it."""
        return str(self.resume) if self.resume else f"{self.experiment} seed {self.seed}"


def check(task: Task) -> runs.Run:
    """What can be wrong with a task is raised here, once, before processes are started; else what it would be."""
    experiment = _experiment(task)
    return runs.prepare(
        experiment,
        load(task.data, directory=task.data_dir, holdout=task.holdout),
        engine=task.engine,
        device=task.device,
        threads=task.threads or 1,
        teachers=task.out,
    )


def _experiment(task: Task) -> Experiment:
    experiment = find(task.experiment)
    if task.epochs is None:
        return experiment
    return replace(experiment, recipe=experiment.recipe.with_epochs(task.epochs))


def open_run(task: Task) -> runs.Run:
    """The run of a task, ready for its first (or next) step."""
    if task.resume:
        device = None if task.device == "auto" else task.device
        return runs.resume(task.resume, data_dir=task.data_dir, device=device, trust=task.trust)
    return runs.new_run(
        _experiment(task),
        load(task.data, directory=task.data_dir, holdout=task.holdout),
        seed=task.seed,
        out=task.out,
        engine=task.engine,
        device=task.device,
        threads=task.threads,
    )


def carry_through(task: Task, run: runs.Run) -> Generator[Event, None, None]:
    """Train the run to its end, yielding its start, progress a few times a second and at each epoch's end, its end."""
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


def train_all(tasks: Sequence[Task]) -> Iterator[Event]:
    """Train every task, one a core (or one on a GPU) at once, yielding what happens as it happens.

    A task that fails does not stop the others. After Ctrl-C or SIGTERM no further task is started; those under way save
    their state and end as `Failed`, each with the sentence that says how to take it up, and so do those not begun.
    """
    context = multiprocessing.get_context("spawn")
    on_cpu = device_for(tasks[0].device).type == "cpu"
    workers = max(1, cores() // (tasks[0].threads or 1)) if on_cpu else 1
    waiting = [(number, replace(task, threads=task.threads or 1)) for number, task in enumerate(tasks)]
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
                yield Failed(label=task.label, sentence="Not begun.", exit_status=128 + stopped[0])
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, ours in running.values():
            ours.close()  # whoever still has something to tell is told that nobody listens
            process.join()


def _as_asked(event: Event, stopped: list[int]) -> Event:
    """What a task that was stopped tells, with the status of the signal that this process, not that one, was sent."""
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
