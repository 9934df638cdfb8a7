"""Files written atomically, folders that take their places as a whole, locks, temporary folders."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from featherweight.errors import FeatherweightError, FileError, UsageError

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
        flush_names(path.parent)
    except OSError as problem:
        _remove(part)
        raise FileError(
            f"{path} could not be written ({problem.strerror}); its previous content is unchanged. Free some space, or"
            " choose a folder that you can write to."
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


def not_a_place(out: Path, problem: OSError, what_to_do: str) -> FeatherweightError:
    """The error for a folder that cannot be written to: a UsageError if this path cannot be a folder's."""
    kind = UsageError if problem.errno in NO_FOLDER else FileError
    return kind(f"{str(out)[:LONGEST_SHOWN]} cannot be written to ({problem.strerror}); {what_to_do}.")


@contextmanager
def staged(out: Path, name: str) -> Iterator[Path]:
    """A folder for files that belong together: they take their places in `out` once the block has ended well.

    A folder among them takes the place of the one before it, so that no file of two versions lies in it. If the block
    fails, or its process is killed, what was in `out` before stays as it was; of one that is killed while the files
    take their places, the next to write there gives back a folder that was moved aside and not replaced. One process at
    a time; others wait. Raises UsageError if `out` is a file, and FileError if it cannot be written to.
    """
    stage, before = out / f".{name}.new", out / f".{name}.old"
    inside = False
    try:
        with locked(out / f".{name}.lock"):
            _clear_stage(out, stage, before)
            stage.mkdir()
            try:
                inside = True
                yield stage
                inside = False
                before.mkdir()
                for part in sorted(stage.iterdir()):
                    if (out / part.name).is_dir():
                        (out / part.name).rename(before / part.name)
                    part.replace(out / part.name)
                flush_names(out)
            finally:
                _clear_stage(out, stage, before)
    except OSError as problem:
        if inside:  # the block's own error, which is not about this folder
            raise
        raise not_a_place(out, problem, "name another") from problem


def _clear_stage(out: Path, stage: Path, before: Path) -> None:
    """Remove both folders, after what was moved aside without being replaced is back in its place."""
    if before.is_dir() and not before.is_symlink():
        for part in before.iterdir():
            if not (out / part.name).exists():
                part.rename(out / part.name)
    for folder in (stage, before):
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


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
