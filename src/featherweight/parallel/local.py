"""A pool of processes of this machine, each with a pipe of its own; those that are free take works.

loky starts them: without importing the main module, so that scripts need no guard and a session of Python no file. Its
executor is not used, since its tasks return once, cannot be stopped one by one, and are all lost when one process is.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NoReturn

from loky.backend import get_context
from loky.backend.reduction import dumps

from featherweight.parallel.messages import Counts, Finished, Message, Work, run_work
from featherweight.training.runs.signals import safe_path, terminable

MACHINE = "this machine"
REFUSED = "not received"
"""In place of True, that a work has ended: it could not be unpickled, nor could the values sent with it."""


@dataclass(frozen=True)
class _Put:
    """What stands for a value that is sent to a process once."""

    place: int


@dataclass(kw_only=True)
class _Process:
    """A process, our end of its pipe, the number of the work that it is at, and the values that it has."""

    process: Any
    pipe: Any
    number: int | None = None
    has: set[int] = field(default_factory=set)


class LocalPool:
    """So many processes at most, started when there is something to do.

    Each has a pipe whose other end no other process holds: a killed worker cannot corrupt another's pipe, and when this
    process is killed, writing fails and they leave.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._workers: list[_Process] = []
        self._values: list[Any] = []
        self._ended = 0
        self._stopping = False
        self._starved = _starved()
        self.notes: list[str] = []

    def scale(self, works: int) -> None:
        """Start as many processes as there are works for, within the limit."""
        self._workers = [one for one in self._workers if one.number is not None or one.process.is_alive()]
        while len(self._workers) < min(self._count, works) and not self._stopping:
            context = get_context("loky")
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            with safe_path():
                process.start()
            theirs.close()
            self._workers.append(_Process(process=process, pipe=ours))

    def free(self) -> int:
        """How many works could begin now."""
        return sum(worker.number is None for worker in self._workers)

    def submit(self, number: int, work: Work, *given: Any) -> None:
        """Have a process that is free run a work. What the main module defines is sent with its code."""
        worker = next(one for one in self._workers if one.number is None)
        worker.number = number
        places = {one.place for one in given if isinstance(one, _Put)} - worker.has
        worker.has |= places
        with suppress(OSError):  # it has just ended, which `poll` will find
            worker.pipe.send_bytes(dumps((number, work, given, {place: self._values[place] for place in places})))

    def poll(self, seconds: float) -> Sequence[Message | Finished]:
        """What has come from works; a process that ends without a result was ended from outside."""
        busy = {worker.pipe: worker for worker in self._workers if worker.number is not None}
        if not busy:
            time.sleep(seconds)
        ready: Any = wait(list(busy), timeout=seconds) if busy else ()
        found: list[Message | Finished] = []
        for pipe in ready:
            worker = busy[pipe]
            assert worker.number is not None
            try:
                last, what = pipe.recv()
            except (EOFError, OSError):
                found.append(self._gone(worker))
                continue
            if last:
                if last == REFUSED:
                    worker.has.clear()
                sentence, status = what
                found.append(Finished(number=worker.number, sentence=sentence, status=status))
                worker.number = None
                self._ended += 1
            else:
                found.append(Message(number=worker.number, value=what))
        return found

    def _gone(self, worker: _Process) -> Finished:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        self._ended += 1
        status = worker.process.exitcode
        assert worker.number is not None
        sentence = f"worker exited with status {status} without a result"
        if status == -getattr(signal, "SIGKILL", 9) and _starved() > self._starved:
            sentence += ", while the system was ending processes for lack of memory"
        return Finished(
            number=worker.number, sentence=f"{sentence}.", status=128 - status if status < 0 else 1, lost=True
        )

    def put(self, value: Any) -> Any:
        """What stands for the value among the arguments of works; each process is sent it once."""
        self._values.append(value)
        return _Put(len(self._values) - 1)

    def stop(self, number: int | None = None) -> None:
        """Ask a work to end early, or all of them, by the signal that `kill` sends."""
        self._stopping = self._stopping or number is None
        for worker in self._workers:
            if number is None:
                worker.process.terminate()
            elif worker.number == number:
                with suppress(OSError):
                    worker.pipe.send((number, None, (), {}))

    def counts(self) -> Counts:
        """What is under way: all of it here."""
        return Counts(running={MACHINE: len(self._workers) - self.free()}, ended={MACHINE: self._ended})

    def close(self) -> None:
        """Stop all processes; a worker that still has something to send finds nobody listening."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
        self._workers = []


def _starved() -> int:
    """How many processes Linux has ended for lack of memory since it was started; 0 elsewhere."""
    with suppress(OSError, ValueError):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _serve(pipe: Any) -> NoReturn:
    """In a process of its own: run what comes through the pipe, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process decides what Ctrl-C ends
    values: dict[int, Any] = {}
    try:
        with terminable() as stopped:
            while not stopped:
                try:
                    number, work, given, new = pipe.recv()
                except (EOFError, OSError):
                    raise
                except Exception as problem:  # what was sent needs what is not to be had here
                    pipe.send((REFUSED, (f"{type(problem).__name__}: {problem}", 1)))
                    continue
                values |= new
                given = [values[one.place] if isinstance(one, _Put) else one for one in given]
                if work is not None:  # else it was to stop a work that has just ended
                    _send(pipe, run_work(work, given, _asked_to_stop(pipe, number)))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    sys.stderr.flush()
    os._exit(0)  # taking PyTorch down would keep whoever stops waiting


def _send(pipe: Any, messages: Generator[tuple[bool, Any], None, None]) -> None:
    try:
        with closing(messages):
            for message in messages:
                pipe.send_bytes(dumps(message))
    except KeyboardInterrupt:  # between two steps of the work
        pipe.send((True, ("Stopped.", 130)))


def _asked_to_stop(pipe: Any, number: int) -> Callable[[], bool]:
    """Whether something has come through the pipe that asks this work to end."""
    asked = False

    def stopped() -> bool:
        nonlocal asked
        try:
            while not asked and pipe.poll():
                asked = pipe.recv()[0] == number
        except (EOFError, OSError):  # nobody is there any more, which sending will find
            asked = True
        return asked

    return stopped
