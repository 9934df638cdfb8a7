"""Works for a pool, which its processes import from here."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any


def process(*, stopped: Any) -> Iterator[int]:
    """Yields who runs it."""
    yield os.getpid()


def endless(*, stopped: Any) -> Iterator[int]:
    """Yields who runs it, and ends when it is asked to."""
    yield os.getpid()
    while not stopped():
        time.sleep(0.01)


def killed(*, stopped: Any) -> Iterator[int]:
    """Yields who runs it, and is killed."""
    yield os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)


class Missing:
    """Can be sent, and not be received."""

    def __reduce__(self) -> Any:
        return __import__, ("nowhere_to_be_found",)
