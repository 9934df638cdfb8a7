"""Files as others may find them: written whole or not at all, locked between processes, named without harm."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path

from featherweight.errors import FileError, UsageError

PAUSE_S = 0.05

Progress = Callable[[str, int, int | None], None]
"""Told of a download: the file, bytes so far, and bytes in all where that is known."""
Display = Callable[[], AbstractContextManager[Progress | None]]
downloads_display: ContextVar[Display] = ContextVar("downloads_display", default=nullcontext)
"""Opened while a data set is loaded; gives what is told of its downloads. Nobody is, unless somebody sets it."""

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


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none: to a neighbour first, flushed to disk, then renamed over the old one."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes, keep: Path | None = None) -> None:
    """As `write_text`, for bytes. What was there goes to `keep`, where that is given, once the new file is whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
        _flush_names(path.parent)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise FileError(
            f"{path} could not be written ({problem.strerror}); what it held before is still there. Make room, or name"
            " a folder that can be written."
        ) from problem
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _flush_names(folder: Path) -> None:
    """Put a folder's names on the disk, without which a rename may not outlive a power cut."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove what a killed process had begun to write into this folder; for whoever alone writes there."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def printable(path: Path | str) -> str:
    """A path as a message shows it: control characters escaped, so that a name cannot write on the terminal.

    >>> print(printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in str(path))


def with_part_between(text: str, marks: tuple[str, str], part: str, where: object) -> str:
    """The text with the lines between its two marks replaced; UsageError, naming the file, where a mark is missing.

    >>> with_part_between("before <a> old <b> after", ("<a>", "<b>"), "new", "notes.md")
    'before <a>\\nnew\\n<b> after'
    """
    begin, end = marks
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise UsageError(f"{where} lacks the marks around what is written into it: {begin} and, after it, {end}")
    return f"{before}{begin}\n{part}\n{end}{after}"
