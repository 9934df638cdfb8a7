"""A study shared by processes and machines: its storage, its settings, and the outcomes of its trials.

A trial's attributes: `worker` identifies who trains it and `beat` shows that this worker is alive; `proposal` is what
is tried, `end` the outcome and `result` the figures. Everything else is Optuna's.
"""

import json
import logging
import random
import re
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from featherweight.data import Data
from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.files import printable
from featherweight.search.space import Space

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

STARTUP = 20
"""Random trials before the sampler starts to learn; refused ones count, since it learns from those too."""
TRAINED_FIRST = 8
"""Trials that must have finished before any is stopped early; the median of fewer means little."""
WARM_UP = 30
"""Percent of a trial's epochs before it can be stopped; earlier, the rate still rises and ranks mean little."""
ABOUT_SECONDS = 5.0
"""The process that creates a study stores its settings immediately; others wait this long for them."""
FIRST_TRIES = 5
"""Attempts to open an empty database: if several workers open it at once, only one of them creates its tables."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search, described by values that can be sent to another process."""

    space: str
    storage: str
    """The path of a journal, or the URL of a database, which may contain a password; print it through `shown`."""
    name: str
    """Name of the study within the storage."""
    trials: int
    """Total number of trials to train, over all workers; refused and repeated proposals do not count."""
    data: str = "auto"
    data_dir: Path | None = None
    holdout: int = 5000
    seeds: int = 1
    seed: int = 0
    """Seed of the sampler."""
    engine: str = "auto"
    device: str = "auto"


def about(space: Space, data: Data, job: Job) -> dict[str, Any]:
    """The settings of a study, which everyone who joins it must share."""
    summary = data.summary()
    return {
        "space": space.name,
        "space's file": space.digest(),
        "budget": asdict(space.budget),
        "data": summary["name"],
        "data's digests": summary["digests"],
        "holdout": data.holdout,
        "seeds": job.seeds,
    }


DRIVERS = {"postgresql": "psycopg2-binary", "mysql": "mysqlclient"}
"""What a data base's URL needs besides, as `pip` calls it; SQLite comes with Python."""


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
            raise UsageError(f"The storage {shown(storage)} cannot be used ({problem}); give another.") from None
        raise UsageError(
            f"The storage {shown(storage)} needs a driver that is not installed here; install it with: pip install"
            f" {package}"
        ) from None
    except Exception as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise UsageError(
            f"The storage {shown(storage)} cannot be used ({_without_secrets(first, storage)}); name a file, or a data"
            " base's URL."
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
            f"The storage {shown(storage)} cannot be reached any more ({_without_secrets(first, storage)}). What has"
            " finished is kept in it; once it is back, the same command goes on."
        ) from None


def shown(storage: str) -> str:
    """The storage without its password, nor anything after a question mark, where drivers take passwords too.

    >>> shown("postgresql://me:secret@host/studies?sslpassword=b"), shown("runs/search/bars.journal")
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
    text = text.replace(storage, shown(storage))
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
            told = str(problem).lower()
            if not left or not ("exist" in told or "duplicate" in told or "unique" in told):
                raise
            time.sleep(random.uniform(0.1, 0.5))
    raise AssertionError("the last try returns or raises")


def _require_journal(path: Path) -> None:
    """Raise FileError if the file exists and its first line is not that of a journal."""
    if not path.exists():
        return
    if not path.is_file():  # opening a pipe would wait for ever
        raise FileError(f"{printable(path)} is not a file; name another for the study.")
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        line = file.readline(1_000_000)
    try:
        known = "op_code" in json.loads(line)
    except (ValueError, TypeError):
        known = False
    if not known:
        raise FileError(f"{path} is not an Optuna journal; give another file, or a URL such as sqlite:///study.db.")


def _cut_torn_line(path: Path, lock: Any) -> None:
    """Remove an incomplete last line, which a full disk leaves behind and which would corrupt the next line written."""
    if not path.exists() or path.stat().st_size == 0:
        return
    lock.acquire()
    try:
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def open_study(job: Job, expected: dict[str, Any], sampler_seed: int = 0) -> "optuna.Study":
    """The study with the job's name, created if there is none.

    Raises UsageError if the study has another space, budget, data set or holdout.
    """
    import optuna

    quiet()
    storage = storage_of(job.storage)
    with reachable(job.storage), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # `group`: a space may use some parameters in only some of its proposals.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=sampler_seed
        )
        pruner = optuna.pruners.MedianPruner(n_startup_trials=TRAINED_FIRST, n_warmup_steps=WARM_UP)
        try:
            study = optuna.create_study(
                storage=storage, study_name=job.name, direction="maximize", sampler=sampler, pruner=pruner
            )
            study.set_user_attr("about", expected)
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=job.name, sampler=sampler, pruner=pruner)
        _require_same(study, expected, job)
    return study


def _require_same(study: "optuna.Study", expected: dict[str, Any], job: Job) -> None:
    until = time.monotonic() + ABOUT_SECONDS
    while "about" not in (attributes := study.user_attrs) and time.monotonic() < until:
        time.sleep(0.1)
    where = f"The study {job.name!r} in {shown(job.storage)}"
    elsewhere = "start a new study with --name"
    if "about" not in attributes:
        raise UsageError(f"{where} was not made by `featherweight search`; {elsewhere}.")
    known, given = attributes["about"], json.loads(json.dumps(expected))
    for what, value in given.items():
        if known.get(what) != value:
            difference = "" if "'s " in what else f" (it has {known.get(what)}; given {value})"
            raise UsageError(f"{where} differs in {what}{difference}; {elsewhere}, or use the study's own settings.")


def quiet() -> None:
    """Keep Optuna from logging every trial to standard error; progress is reported by this package."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The number of a study's trials by outcome."""

    finished: int
    early: int
    """Stopped before their last epoch because most trials were better."""
    diverged: int
    """Their loss became infinite or NaN."""
    refused: int
    """Proposals over budget, which were never trained."""
    repeated: int
    """Proposals that had been made before and were not trained again."""
    lost: int
    """Abandoned by a process that was stopped or killed; other trials take their places."""
    running: int

    @property
    def ended(self) -> int:
        """The number of trials that have been trained and will not be trained further."""
        return self.finished + self.early + self.diverged


ENDS = ("finished", "early", "diverged", "refused", "repeated", "lost", "running")


def end_of(trial: "FrozenTrial") -> str:
    """The outcome of a trial: one of `ENDS`, or `surplus` if the study already had enough trials."""
    if not trial.state.is_finished():
        return "running"
    given: str = trial.user_attrs.get("end", "lost")
    return given


def trials_of(study: "optuna.Study") -> "list[FrozenTrial]":
    """All trials of the study, in their current state."""
    return study.get_trials(deepcopy=False)


def standing(study: "optuna.Study") -> Standing:
    """The current counts of the study's trials by outcome."""
    counts = Counter(map(end_of, trials_of(study)))
    return Standing(**{end: counts[end] for end in ENDS})
