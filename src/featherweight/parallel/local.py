"""A pool of processes of this machine, each with a pipe of its own; those that are free take works."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, NoReturn

from featherweight.errors import FeatherweightError
from featherweight.parallel.messages import Counts, Finished, Message, Work
from featherweight.training.runs.signals import safe_path, terminable

HERE = "this machine"


@dataclass(kw_only=True)
class _Worker:
    """A process, our end of its pipe, and the number of the work that it is at."""

    process: Any
    pipe: Any
    number: int | None = None


class LocalPool:
    """So many processes at most, started when there is something to do.

    Each has a pipe whose other end no other process holds: one that is killed in the middle of a word silences nobody
    else, and when this process is killed, writing fails and they leave.
    """

    def __init__(self, count: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._count = count
        self._workers: list[_Worker] = []
        self._ended = 0
        self._stopping = False
        self.notes: list[str] = []

    def scale(self, works: int) -> None:
        """Start as many processes as there are works for, within the limit."""
        while len(self._workers) < min(self._count, works) and not self._stopping:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
            with safe_path():
                process.start()
            theirs.close()
            self._workers.append(_Worker(process=process, pipe=ours))

    def free(self) -> int:
        """How many works could be begun now."""
        return sum(worker.number is None for worker in self._workers)

    def submit(self, number: int, work: Work, *given: Any) -> None:
        """Have a work carried out by a process that is free."""
        worker = next(one for one in self._workers if one.number is None)
        worker.number = number
        with suppress(OSError):  # it has just ended, which `news` will find
            worker.pipe.send((work, given))

    def poll(self, seconds: float) -> Sequence[Message | Finished]:
        """What works have to say; a process that ends without a last word was ended from outside."""
        busy = {worker.pipe: worker for worker in self._workers if worker.number is not None}
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
                sentence, status = what
                found.append(Finished(number=worker.number, sentence=sentence, status=status))
                worker.number = None
                self._ended += 1
            else:
                found.append(Message(number=worker.number, value=what))
        return found

    def _gone(self, worker: _Worker) -> Finished:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        self._ended += 1
        status = worker.process.exitcode
        assert worker.number is not None
        return Finished(
            number=worker.number, sentence=f"worker exited with status {status} without a result.",
            status=128 - status if status < 0 else 1, lost=True,
        )  # fmt: skip

    def put(self, value: Any) -> Any:
        """The value itself."""
        return value

    def stop(self, number: int | None = None) -> None:
        """Ask a work, or all, to end early, by the signal that `kill` sends."""
        self._stopping = self._stopping or number is None
        for worker in self._workers:
            if number is None or worker.number == number:
                worker.process.terminate()

    def counts(self) -> Counts:
        """What is going on: all of it here."""
        return Counts(running={HERE: len(self._workers) - self.free()}, ended={HERE: self._ended})

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


def _serve(pipe: Any) -> NoReturn:
    """In a process of its own: carry out what comes through the pipe, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process decides what Ctrl-C ends
    try:
        with terminable() as stopped:
            while not stopped:
                work, given = pipe.recv()
                pipe.send((True, _carried_out(pipe, work, given)))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    sys.stderr.flush()
    os._exit(0)  # taking PyTorch down would keep whoever stops waiting


def _carried_out(pipe: Any, work: Work, given: tuple[Any, ...]) -> tuple[str, int]:
    """Send what the work yields; return the sentence and the exit status of the error that ended it, if one did."""
    try:
        with closing(work(*given, stopped=lambda: False)) as said:  # type: ignore[type-var]
            for what in said:
                pipe.send((False, what))
    except (FeatherweightError, KeyboardInterrupt) as problem:
        return str(problem) or "Stopped.", problem.exit_status if isinstance(problem, FeatherweightError) else 130
    except (BrokenPipeError, EOFError):
        raise
    except Exception as problem:  # a defect: its traceback goes to standard error, and the other works go on
        traceback.print_exc()
        return f"{type(problem).__name__}: {problem}", 1
    return "", 0
