"""Where a study is stored, a journal or a database, and its errors as sentences that repeat no password."""

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Meta
from typing_extensions import TypedDict

from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.schema import Text
from featherweight.json_files import Schema, read_regular

if TYPE_CHECKING:
    import optuna

FIRST_TRIES = 5
"""Attempts to open an empty database: if several workers open it at once, only one of them creates its tables."""
LARGEST = 1 << 30
"""Bytes of a journal."""
DRIVERS = {"postgresql": "psycopg2-binary", "mysql": "mysqlclient"}
"""What a database URL needs in addition, as `pip` calls it; SQLite comes with Python."""


@contextmanager
def reachable(storage: str) -> Iterator[None]:
    """Turn errors of the storage into a UsageError of one sentence, without what must not be shown."""
    try:
        yield
    except FeatherweightError:
        raise
    except ImportError as problem:
        scheme = storage.split("://")[0]
        package = DRIVERS.get(scheme) or scheme.partition("+")[2] or problem.name
        if not package:
            raise UsageError(f"The storage {redacted(storage)} cannot be used ({problem}); give another.") from None
        raise UsageError(
            f"The storage {redacted(storage)} needs a driver that is not installed here; install it with: pip install"
            f" {package}"
        ) from None
    except Exception as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        kind = UsageError if "://" in storage or isinstance(problem, OSError) else FileError
        raise kind(
            f"The storage {redacted(storage)} cannot be used ({_without_secrets(first, storage)}); name a file, or a"
            " data base's URL."
        ) from None


@contextmanager
def under_way(storage: str) -> Iterator[None]:
    """A storage that is gone in the middle of a search as one sentence; defects of the program stay what they are."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OSError, SQLAlchemyError, StorageInternalError) as problem:
        cause = problem.__cause__ or problem  # Optuna's own words are of what might have led to it
        first = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UsageError(
            f"The storage {redacted(storage)} cannot be reached any more ({_without_secrets(first, storage)}). What has"
            " finished is kept in it; once it is back, the same command continues."
        ) from None


def redacted(storage: str) -> str:
    """The storage without its password, nor anything after a question mark, where drivers take passwords too.

    >>> redacted("postgresql://me:secret@host/studies?sslpassword=b"), redacted("runs/search/bars.journal")
    ('postgresql://me:***@host/studies?***', 'runs/search/bars.journal')
    """
    if "://" not in storage:
        return printable(storage)
    return printable(re.sub(r"\?.*", "?***", re.sub(r"(://[^:/@]*):.*@", r"\1:***@", storage), flags=re.DOTALL))


def _without_secrets(text: str, storage: str) -> str:
    """What a driver says, without a password that it repeats."""
    if "://" not in storage:
        return printable(text)
    parts = urlsplit(storage)
    secrets = {parts.netloc.rpartition("@")[0].partition(":")[2], *(value for _, value in parse_qsl(parts.query))}
    text = text.replace(storage, redacted(storage))
    for secret in sorted({*secrets, *map(unquote, secrets)}, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) > 2 else text
    return printable(text)


def storage_of(where: str) -> "optuna.storages.BaseStorage":
    """Optuna's storage at this place: a database for a URL, else a journal file, which is created if it does not exist.

    A journal is safe for processes on one machine, and for machines over NFS: its lock is a symbolic link or, where
    these are not available (Windows), a file opened exclusively. SQLite is safe on one machine, other databases
    anywhere. Raises UsageError if the storage cannot be opened, FileError if the file is not a journal.
    """
    import os

    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock

    with reachable(where):
        if "://" in where:
            return _data_base(where)
        path = Path(where)
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_journal(path)
        lock = JournalFileOpenLock(where) if os.name == "nt" else JournalFileSymlinkLock(where)
        _cut_torn_line(path, lock)
        return JournalStorage(JournalFileBackend(where, lock_obj=lock))


def _data_base(url: str) -> "optuna.storages.BaseStorage":
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import DBAPIError

    patient = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    for left in reversed(range(FIRST_TRIES)):
        try:
            return RDBStorage(url, engine_kwargs=patient)
        except DBAPIError as problem:
            text = str(problem).lower()
            if not left or not ("exist" in text or "duplicate" in text or "unique" in text):
                raise
            time.sleep(random.uniform(0.1, 0.5))
    raise AssertionError("the last try returns or raises")


def _require_journal(path: Path) -> None:
    """Raise FileError if the file exists and its first line is not that of a journal."""
    if not (path.exists() or path.is_symlink()):
        return
    line, *_ = read_regular(path, LARGEST).split(b"\n", 1)
    if line:
        _JOURNAL.parse(line, printable(path))


class _Operation(TypedDict):
    """What each line of a journal has; Optuna checks the rest."""

    op_code: Annotated[int, Meta(ge=0, le=100)]
    worker_id: Text


_JOURNAL = Schema(
    kind=_Operation, what="an Optuna journal", advice="give another file, or a URL such as sqlite:///study.db"
)


def _cut_torn_line(path: Path, lock: Any) -> None:
    """Remove an incomplete last line, which a full disk leaves behind and which would corrupt the next line written."""
    if not path.exists() or path.stat().st_size == 0:
        return
    lock.acquire()
    try:
        content = read_regular(path, LARGEST)
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()
