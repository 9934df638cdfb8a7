"""How many threads an engine may run on."""

import os

from featherweight.errors import UsageError


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_threads(threads: int) -> None:
    """Raise UsageError unless this is a number of threads that the processors of this process can run at once."""
    most = processors()
    if type(threads) is not int or not 1 <= threads <= most:
        allowed = f"1 to {most} threads" if most > 1 else "1 thread"
        raise UsageError(
            f"This process may use {most} processor{'s' * (most > 1)}, so {allowed} can be asked for; given {threads}."
        )
