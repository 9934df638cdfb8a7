"""Handling Ctrl-C and SIGTERM, so that work stops at a safe point. Needs no torch."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = (130, 143)
"""Exit statuses of a process that was interrupted."""

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
    the signal."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    with _handled(interrupt, signal.SIGTERM):
        yield received


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
