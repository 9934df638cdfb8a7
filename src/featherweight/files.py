"""Files as others may find them: written whole or not at all, locked between processes, read within limits."""

import errno
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from featherweight.errors import FileError
from featherweight.escapes import printable as printable

PAUSE_S = 0.05
DEEPEST = 16
"""Lists within lists that JSON from outside may have; what is written here has 5."""
LARGEST_INTEGER = 1 << 62
LONGEST_TEXT = 1 << 14
"""Characters of one text in it; a path has at most 4,096."""

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
            with suppress(OSError):  # a folder that cannot be written any more keeps an empty file, which nobody holds
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
        flush_names(path.parent)
    except OSError as problem:
        _remove(part)
        raise FileError(
            f"{path} could not be written ({problem.strerror}); what it held before is still there. Make room, or name"
            " a folder that can be written."
        ) from problem
    except BaseException:
        _remove(part)
        raise


def _remove(path: Path) -> None:
    """Take away a file that is of no use, where that can be done; no error of this may hide the one that led here."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Make a folder and what is missing above it, and put their names on the disk; nothing where it is there."""
    for one in reversed([above for above in (folder, *folder.parents) if not above.is_dir()]):
        one.mkdir(exist_ok=True)
        flush_names(one.parent)


def flush_names(folder: Path) -> None:
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
    with suppress(OSError):
        for part in folder.glob(".*.part"):
            _remove(part)


def parse_json(text: str | bytes, *, longest: int = LONGEST_TEXT) -> Any:
    """The values in JSON from outside; ValueError where they are not what anybody here would have written.

    Refused beside what is no JSON: numbers that are infinite, not numbers or beyond 2^62, lists more than 16 deep, a
    name that comes twice, texts of more than `longest` characters or with halves of surrogate pairs, which no file and
    no terminal takes.

    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        values = json.loads(text, parse_constant=_no_number, parse_int=_integer, object_pairs_hook=_once)
    except RecursionError as problem:
        raise ValueError("it has lists within lists without end") from problem
    _require_plain(values, DEEPEST, longest)
    return values


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"{text[:20]}... is too large a number" if len(text) > 20 else f"{text} is too large a number")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _require_plain(value: Any, deep: int, longest: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, str):
        if len(value) > longest:
            raise ValueError(f"a text has {len(value):,} characters, and at most {longest:,} are read")
        value.encode("utf-8")  # UnicodeEncodeError, a ValueError, for halves of surrogate pairs
    elif isinstance(value, list | dict):
        if not deep:
            raise ValueError(f"it has lists within lists, more than {DEEPEST} deep")
        for name, inner in value.items() if isinstance(value, dict) else ((None, each) for each in value):
            _require_plain(name, 0, longest)
            _require_plain(inner, deep - 1, longest)
