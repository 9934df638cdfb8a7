"""A lock between processes that the operating system gives back, however its holder ended."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE_S = 0.05

if sys.platform == "win32":
    import msvcrt

    def _try(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock that this file stands for, waiting for as long as another process holds it.

    Without `wait`, BlockingIOError is raised when another does.

    The file, and its folder where need be, are made; the file is removed at the end. Raises OSError where it cannot
    be made or cannot be locked.
    """
    handle = _acquire(path, wait)
    try:
        yield
    finally:
        # Removed while still held: whoever waits on the removed file sees that and makes a new one.
        if sys.platform != "win32":
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, wait: bool) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another has just removed the folder
            continue
        try:
            _try(handle)
            if _same(handle, path):
                return handle
        except (BlockingIOError, PermissionError):  # held by another; the latter is what Windows says
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not wait:
            raise BlockingIOError(f"{path} is locked by another process")
        time.sleep(PAUSE_S)


def _same(handle: int, path: Path) -> bool:
    """Whether the file that was opened is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
