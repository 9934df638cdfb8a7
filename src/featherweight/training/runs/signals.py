"""Processes that start and stop safely: Ctrl-C, SIGTERM, and where modules may come from. Needs no torch."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = (130, 143)
"""Exit statuses of a process that was interrupted."""

AGAIN_SECONDS = 0.05
"""How long after an interrupt was dropped it is raised again."""

_Note = Callable[[int, FrameType | None], None]


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Yield a list that collects the numbers of stop signals sent to this process; the same signal twice interrupts.

    Outside the main thread the list stays empty, and signals are left to the application.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number in received:
            raise KeyboardInterrupt
        received.append(number)

    with _handled(note, signal.SIGINT, signal.SIGTERM):
        yield received


@contextmanager
def terminable() -> Iterator[list[int]]:
    """Make SIGTERM raise KeyboardInterrupt, as Ctrl-C does; for code with nothing to save. Yields a list that collects
    the signal.

    Python drops what is raised in a destructor, and prints that; an interrupt that is dropped is raised again a little
    later instead.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        if isinstance(dropped.exc_value, KeyboardInterrupt):
            number = signal.SIGTERM if received else signal.SIGINT
            timer = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
            timer.daemon = True
            timer.start()
        else:
            hook(dropped)

    hook = sys.unraisablehook
    with _handled(interrupt, signal.SIGTERM):
        sys.unraisablehook = again
        try:
            yield received
        finally:
            sys.unraisablehook = hook


@contextmanager
def safe_path() -> Iterator[None]:
    """Python processes that are started in here take no module from the current folder.

    Else a file `multiprocessing.py`, or any that Python imports first, would be executed by whoever works beside it.
    """
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _handled(note: _Note, *numbers: int) -> Iterator[None]:
    try:
        before = {number: signal.signal(number, note) for number in numbers}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
