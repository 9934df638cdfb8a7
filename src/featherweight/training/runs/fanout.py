"""Training many tasks side by side, on this machine or on a cluster; the events are the same.

Two single-threaded runs side by side finish sooner than two runs in sequence with two threads each.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Protocol

from featherweight.data.dataset import Data
from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import Experiment
from featherweight.training.runs.crews import MOST_LOSSES, Crew, Ended, On, Said, Work, opened
from featherweight.training.runs.environment import cores, device_for
from featherweight.training.runs.events import Event, Failed, Note, Spread
from featherweight.training.runs.far import MEMORY, Desk
from featherweight.training.runs.parallel import Task, carry_through, open_run
from featherweight.training.runs.signals import stop_signals

WAIT_SECONDS = 0.2
"""Time between checks for a stop signal while waiting for events."""
HERE = On()


class _Desk(Protocol):
    """What stands between a crew and the folders of the tasks."""

    def call(self, number: int) -> tuple[Work, tuple[Any, ...]]: ...

    def heard(self, number: int, what: Any) -> Iterator[Event]: ...

    def failed(self, news: Ended, signal: int) -> Failed | None: ...

    def close(self) -> None: ...


def train_all(
    tasks: Sequence[Task], on: On = HERE, ready: tuple[Experiment, Data] | None = None
) -> Generator[Event, None, None]:
    """Train every task, one per core at a time (or one on a GPU), yielding events as they happen.

    On a cluster, the experiment and the data of all tasks may be given `ready`, where names do not give them.

    A task that fails does not stop the others; one whose machine in a cluster is lost goes on elsewhere from its last
    state. After Ctrl-C or SIGTERM no further task is started. Running tasks save their state and end as `Failed`, each
    with the command that resumes it; tasks not yet started end as `Failed` too.
    """
    threads = max((task.threads or 1 for task in tasks), default=1)
    tasks = [replace(task, threads=task.threads or (None if task.resume else 1)) for task in tasks]
    alone = on.here and device_for(tasks[0].device).type != "cpu"
    with ExitStack() as stack:
        if not on.here:
            gpus = on.gpus or float(any(task.device == "cuda" for task in tasks))
            on = replace(on, threads=threads, gpus=gpus, memory=on.memory or MEMORY)
        crew = stack.enter_context(opened(on, 1 if alone else max(1, cores() // threads)))
        stopped = stack.enter_context(stop_signals())
        desk: _Desk = _Here(tasks) if on.here else Desk(tasks, crew, on, ready)
        stack.enter_context(closing(desk))
        yield from _carried_out(tasks, crew, desk, stopped, spread=not on.here)


def _carried_out(
    tasks: Sequence[Task], crew: Crew, desk: _Desk, stopped: list[int], *, spread: bool
) -> Iterator[Event]:
    """The tasks' events, and those of the machines where there are several."""
    waiting, running = list(range(len(tasks))), set[int]()
    lost: Counter[int] = Counter()
    told, last = False, None
    while running or (waiting and not stopped):
        crew.want(len(running) + (0 if stopped else len(waiting)))
        while waiting and not stopped and crew.free():
            number = waiting.pop(0)
            try:
                work, given = desk.call(number)
            except FeatherweightError as problem:
                yield Failed(label=tasks[number].label, sentence=str(problem), exit_status=problem.exit_status)
                continue
            running.add(number)
            crew.give(number, work, *given)
        if stopped and not told:
            told = True
            crew.stop()
        for news in crew.news(WAIT_SECONDS):
            if isinstance(news, Said):
                yield from desk.heard(news.number, news.what)
                continue
            running.remove(news.number)
            lost[news.number] += news.lost
            if spread and news.lost and lost[news.number] <= MOST_LOSSES and not stopped:
                waiting.insert(0, news.number)
            elif (failed := desk.failed(news, stopped[0] if stopped else 0)) is not None:
                yield failed
        yield from (Note(sentence=sentence) for sentence in crew.notes)
        crew.notes.clear()
        if spread:
            now = crew.standing()
            standing = Spread(waiting=len(waiting), running=now.running, ended=now.ended)
            if standing != last:
                last = standing
                yield standing
    for number in waiting:
        yield Failed(label=tasks[number].label, sentence="Not started.", exit_status=128 + stopped[0])


class _Here:
    """Tasks that processes of this machine carry out in their own folders."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def call(self, number: int) -> tuple[Work, tuple[Any, ...]]:
        return work, (self._tasks[number],)

    def heard(self, number: int, what: Any) -> Iterator[Event]:
        yield what

    def failed(self, news: Ended, signal: int) -> Failed | None:
        """The failure that the end of a task was; after a signal to this process, with the signal's exit status."""
        if not news.sentence:
            return None
        status = 128 + signal if signal and news.status in (130, 143) else news.status
        return Failed(label=self._tasks[news.number].label, sentence=news.sentence, exit_status=status)

    def close(self) -> None: ...


def work(task: Task, *, stopped: Any) -> Iterator[Event]:
    """Train one task in this process; signals stop it."""
    with closing(carry_through(task, open_run(task))) as events:
        yield from events
