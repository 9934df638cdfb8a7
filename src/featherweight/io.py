"""Files written atomically, folders that take their places as a whole, locks, temporary folders."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.escape import printable

NO_FOLDER = (errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG)
"""Errors of a path that cannot be a folder's: a file is there, or it is too long."""
LONGEST_SHOWN = 200
"""Characters of a path in a message."""
SCRATCH, IN_USE = "featherweight-", ".in-use"
"""How the names of temporary folders begin, and the mark of one that a process has locked."""


def as_path(value: Any, what: str) -> Path:
    """The path that was given as `what`; UsageError for what cannot be one."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise UsageError(f"`{what}` is a path; given {value!r:.60}.")
    return Path(value)


def require_utf8(path: Path | str, what: str) -> None:
    """Raise UsageError for a path that is not UTF-8: what is written with it in it could not be read back."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what} {printable(path)} is not UTF-8, so that no record can name it; rename it.") from None


def is_folder(path: Path | str) -> bool:
    """Whether there is such a folder; False for what cannot be a path, such as 300 letters."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path | str) -> bool:
    """Whether there is a regular file at this path; False for what cannot be a path."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_there(path: Path | str) -> bool:
    """Whether there is anything at this path; False for what cannot be one."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on this file, waiting as long as somebody else holds it.

    Without `wait`, raises BlockingIOError if somebody else holds it.

    The file is created, with its folder if necessary, and removed afterwards. Raises OSError if it cannot be created
    or locked.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if wait else 0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as problem:
        raise BlockingIOError(f"{path} is locked by another process") from problem
    try:
        yield
    finally:
        # Removed while still locked: a process that waits for the removed file notices and creates a new one.
        if os.name == "posix":
            _remove(path)  # a folder that cannot be written any more keeps an empty file, which nobody holds
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: to a temporary file beside it, flushed to disk, then renamed over the old one."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # names of files may be no UTF-8


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
        flush_names(path.parent)
        _remove_abandoned_parts(path)
    except OSError as problem:
        _remove(part)
        raise FileError(
            f"{path} could not be written ({problem.strerror}); its previous content is unchanged. Free some space, or"
            " choose a folder that you can write to."
        ) from problem
    except BaseException:
        _remove(part)
        raise


def _remove_abandoned_parts(path: Path) -> None:
    """Remove what processes that are gone had begun to write of this file, where the system tells which those are."""
    for part in path.parent.glob(f".{escape(path.name)}.*.part") if os.name == "posix" else ():
        try:
            os.kill(int(part.name.split(".")[-2]), 0)
        except ProcessLookupError:
            _remove(part)
        except (ValueError, OverflowError, OSError):  # another's, or of a file with a longer name
            continue


def _remove(path: Path) -> None:
    """Take away a file that is of no use, where that can be done; no error of this may hide the one that led here."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def make_folders(folder: Path) -> None:
    """Make a folder and what is missing above it, and put their names on the disk; nothing where it is there."""
    for one in reversed([above for above in (folder, *folder.parents) if not above.is_dir()]):
        one.mkdir(exist_ok=True)
        flush_names(one.parent)


def not_a_place(out: Path, problem: OSError, what_to_do: str) -> FeatherweightError:
    """The error for a folder that cannot be written to: a UsageError if this path cannot be a folder's."""
    kind = UsageError if problem.errno in NO_FOLDER else FileError
    return kind(f"{str(out)[:LONGEST_SHOWN]} cannot be written to ({problem.strerror}); {what_to_do}.")


@contextmanager
def staged(out: Path, name: str) -> Iterator[Path]:
    """A folder for files that belong together: they take their places in `out` once the block has ended well.

    If the block fails, or its process is killed, what was in `out` before stays as it was. A folder takes the place of
    the one before it in one step, so that no file of two versions lies in it. If the process is killed while the parts
    take their places, the next to write there puts the remaining ones in theirs. One process at a time; others wait.
    Raises UsageError if `out` is a file, and FileError if it cannot be written to.
    """
    stage, ready, before = (out / f".{name}.{end}" for end in ("new", "ready", "old"))
    inside = False
    try:
        with locked(out / f".{name}.lock"):
            _carry_on(stage, ready, out, before)
            stage.mkdir()
            try:
                inside = True
                yield stage
                inside = False
                stage.rename(ready)  # from here on, it is the new version that will be there
                _carry_on(stage, ready, out, before)
            finally:
                remove_any(stage)
    except OSError as problem:
        if inside:  # the block's own error, which is not about this folder
            raise
        raise not_a_place(out, problem, "name another") from problem


def _carry_on(stage: Path, ready: Path, out: Path, before: Path) -> None:
    """Put what is ready in its place, and remove whatever else is left."""
    remove_any(stage)
    if ready.is_dir() and not ready.is_symlink():
        take_places(ready, out, before, f"{stage.stem[1:]}.json")
        flush_names(out)
        ready.rename(stage)  # it holds nothing now that is to take its place
    remove_any(stage, ready, before)


REPLACED = ".replaced"
"""The mark of a folder that another one replaces."""


def take_places(stage: Path, out: Path, before: Path, last: str = "") -> None:
    """Move all that is in the stage to its place in `out`, the part called `last` as the last one.

    Each part takes its place in one step, where the system can exchange two folders; where it cannot, the folder that
    was there is moved to `before` first. Called again after its process was killed, it carries on.
    """
    for part in sorted(stage.iterdir(), key=lambda part: (part.name == last, part.is_file(), part.name)):
        place = out / part.name
        if not (place.is_dir() and part.is_dir()):
            part.replace(place)
        elif not (part / REPLACED).exists():  # else it has been exchanged already
            (place / REPLACED).touch()
            if not _exchange(part, place):
                before.mkdir(exist_ok=True)
                place.rename(before / part.name)
                part.rename(place)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where that cannot be done."""
    import ctypes

    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, TypeError):  # not Linux, or a C library from before 2018
        return False
    here, exchange = -100, 2
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def remove_any(*paths: Path) -> None:
    """Remove files, links and folders with all that is in them; nothing where they are not there."""
    for path in paths:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def flush_names(folder: Path) -> None:
    """Put a folder's names on the disk, without which a rename may not outlive a power cut."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
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
    """Remove what a killed process had begun to write into this folder; for whoever alone writes there."""
    with suppress(OSError):
        for part in folder.glob(".*.part"):
            _remove(part)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for temporary files, removed at the end; that of a process that was killed, by the next one to ask."""
    remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as name:
        if os.name != "posix":  # elsewhere a folder cannot be locked
            yield Path(name)
            return
        import fcntl

        handle = os.open(name, os.O_RDONLY)  # the system gives up its lock when this process ends, however it ends
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            (Path(name) / IN_USE).touch()  # only now: a folder with this mark and without a lock is nobody's
            yield Path(name)
        finally:
            os.close(handle)


def remove_abandoned() -> None:
    """Remove the temporary folders of this user's processes that were killed; those in use are locked."""
    if os.name != "posix":
        return
    import fcntl

    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError), ExitStack() as stack:  # locked, somebody else's, or gone by now
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_uid == os.getuid() and (folder / IN_USE).exists():
                shutil.rmtree(folder, ignore_errors=True)
