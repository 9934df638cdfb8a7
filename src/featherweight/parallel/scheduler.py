"""Training many tasks side by side, on this machine or on a cluster; the events are the same.

Two single-threaded runs side by side finish sooner than two runs in sequence with two threads each.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Protocol

from featherweight.data.dataset import Data
from featherweight.engine import processors
from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import Experiment
from featherweight.parallel.messages import THIS_MACHINE, Backend, Finished, Message, Work
from featherweight.parallel.pool import MOST_LOSSES, Pool, feed, open_pool
from featherweight.training.runs.environment import device_for
from featherweight.training.runs.events import Event, Failed, Note, Spread
from featherweight.training.runs.signals import stop_signals
from featherweight.training.runs.task import Task, open_run, run_task


class Coordinator(Protocol):
    """What stands between a pool and the folders of the tasks."""

    def work_for(self, number: int) -> tuple[Work, tuple[Any, ...]]:
        """The work that trains a task, and its arguments."""

    def on_message(self, number: int, value: Any) -> Iterator[Event]:
        """What others are to know of what a work has yielded."""

    def on_finished(self, finished: Finished, signal: int) -> Failed | None:
        """The failure that the end of a task was; None where it has finished."""

    def close(self) -> None:
        """Release the folders."""


def train_all(
    tasks: Sequence[Task], on: Backend = THIS_MACHINE, ready: tuple[Experiment, Data] | None = None
) -> Generator[Event, None, None]:
    """Train every task, one per core at a time (or one on a GPU), yielding events as they happen.

    On a cluster, the experiment and the data of all tasks may be given `ready`, where names do not give them.

    A task that fails does not stop the others; one whose machine in a cluster is lost goes on elsewhere from its last
    state. After Ctrl-C or SIGTERM no further task is started. Running tasks save their state and end as `Failed`, each
    with the command that resumes it; tasks not yet started end as `Failed` too.
    """
    threads = max((task.threads or 1 for task in tasks), default=1)
    tasks = [replace(task, threads=task.threads or (None if task.resume else 1)) for task in tasks]
    alone = on.local and device_for(tasks[0].device).type != "cpu"
    with ExitStack() as stack:
        if not on.local:
            from featherweight.parallel.remote import MEMORY, RemoteCoordinator

            gpus = on.gpus or float(any(task.device == "cuda" for task in tasks))
            on = replace(on, threads=threads, gpus=gpus, memory=on.memory or MEMORY)
        pool = stack.enter_context(open_pool(on, 1 if alone else max(1, processors() // threads)))
        stopped = stack.enter_context(stop_signals())
        coordinator: Coordinator = _LocalCoordinator(tasks) if on.local else RemoteCoordinator(tasks, pool, on, ready)
        stack.enter_context(closing(coordinator))
        source = _Tasks(tasks, coordinator, stopped, on)
        yield from feed(pool, source, stopped)
        yield from source.not_started()


class _Tasks:
    """The tasks as works of a pool."""

    def __init__(self, tasks: Sequence[Task], coordinator: Coordinator, stopped: list[int], on: Backend) -> None:
        self._tasks, self._coordinator, self._stopped, self._on = tasks, coordinator, stopped, on
        self._waiting = list(range(len(tasks)))
        self._lost: Counter[int] = Counter()
        self._refused: list[Failed] = []
        self._last: Spread | None = None

    def waiting(self) -> int:
        return len(self._waiting)

    def next(self) -> tuple[int, Work, tuple[Any, ...]] | None:
        while self._waiting:
            number = self._waiting.pop(0)
            try:
                return number, *self._coordinator.work_for(number)
            except FeatherweightError as problem:
                self._refused.append(self._failed(number, str(problem), problem.exit_status))
        return None

    def on_message(self, message: Message) -> Iterator[Event]:
        yield from self._coordinator.on_message(message.number, message.value)

    def on_finished(self, finished: Finished) -> Iterator[Event]:
        number, signal = finished.number, self._stopped[0] if self._stopped else 0
        self._lost[number] += finished.lost
        if finished.lost and not self._on.local and self._lost[number] <= MOST_LOSSES and not signal:
            self._waiting.insert(0, number)
        elif (failed := self._coordinator.on_finished(finished, signal)) is not None:
            yield failed

    def on_poll(self, pool: Pool) -> Iterator[Event]:
        yield from self._refused
        yield from (Note(sentence=sentence) for sentence in pool.notes)
        self._refused.clear()
        pool.notes.clear()
        if not self._on.local:
            counts = pool.counts()
            spread = Spread(waiting=len(self._waiting), running=counts.running, ended=counts.ended)
            if spread != self._last:
                self._last = spread
                yield spread

    def not_started(self) -> Iterator[Failed]:
        """The failures of tasks that a signal has kept from being started."""
        for number in self._waiting:
            yield self._failed(number, "Not started.", 128 + self._stopped[0])

    def _failed(self, number: int, sentence: str, status: int) -> Failed:
        return Failed(label=self._tasks[number].label, sentence=sentence, exit_status=status)


class _LocalCoordinator:
    """Tasks that processes of this machine train in their own folders."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def work_for(self, number: int) -> tuple[Work, tuple[Any, ...]]:
        return train_here, (self._tasks[number],)

    def on_message(self, number: int, value: Any) -> Iterator[Event]:
        yield value

    def on_finished(self, finished: Finished, signal: int) -> Failed | None:
        """The failure that the end of a task was; after a signal to this process, with the signal's exit status."""
        if not finished.sentence:
            return None
        status = 128 + signal if signal and finished.status in (130, 143) else finished.status
        return Failed(label=self._tasks[finished.number].label, sentence=finished.sentence, exit_status=status)

    def close(self) -> None: ...


def train_here(task: Task, *, stopped: Any) -> Iterator[Event]:
    """Train one task in this process; signals stop it."""
    with closing(run_task(task, open_run(task))) as events:
        yield from events
