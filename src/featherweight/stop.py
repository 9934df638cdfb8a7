"""Being asked to stop: Ctrl-C and SIGTERM noted, so that nothing is torn apart. Needs no torch."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that receives the numbers of the signals that ask this process to stop; the same one twice interrupts.

    Outside the main thread it stays empty: whoever runs there handles signals.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number in received:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
