"""Atomic writes, locks between processes, and file names made safe to print."""

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
"""Called as a download proceeds with the file's name, the bytes received so far, and the total if known."""
Display = Callable[[], AbstractContextManager[Progress | None]]
downloads_display: ContextVar[Display] = ContextVar("downloads_display", default=nullcontext)
"""Entered while a data set is loaded; yields the callback that follows its downloads. By default there is none."""

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
    """Hold an exclusive lock on this file, waiting as long as another process holds it.

    Without `wait`, raises BlockingIOError if another process holds it.

    The file is created, with its folder if necessary, and removed afterwards. Raises OSError if it cannot be created
    or locked.
    """
    handle = _acquire(path, wait)
    try:
        yield
    finally:
        # Removed while still locked: a process that waits for the removed file notices and creates a new one.
        if sys.platform != "win32":
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, wait: bool) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process has just removed the folder
            continue
        try:
            _try(handle)
            if _same(handle, path):
                return handle
        except (BlockingIOError, PermissionError):  # held by another process; Windows raises PermissionError
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not wait:
            raise BlockingIOError(f"{path} is locked by another process")
        time.sleep(PAUSE_S)


def _same(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: to a temporary file beside it, flushed to disk, then renamed over the old one."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Like `write_text`, for bytes. If `keep` is given, the old file is moved there once the new one is complete."""
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
            f"{path} could not be written ({problem.strerror}); its previous content is unchanged. Free some space, or"
            " choose a folder that you can write to."
        ) from problem
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _flush_names(folder: Path) -> None:
    """Flush a folder's entries to disk; otherwise a power cut may undo a rename."""
    if os.name != "posix":  # other systems cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as problem:
        if problem.errno != errno.EINVAL:  # the file system does not support it
            raise
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Remove temporary files that killed processes left in this folder; only for its sole writer."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def printable(path: Path | str) -> str:
    """A path for use in messages: control characters are escaped, so that a file name cannot manipulate the terminal.

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
