"""The exceptions of the package and the exit status that each one sets.

```
FeatherweightError            1   base class; itself where the system refuses what is needed
├── UsageError                2   unknown name, bad option, bad experiment or recipe
│   └── BudgetError           2   a network over its budget, refused before the first step
├── DataError                 3   data is unavailable, or does not match its digest
├── FileError                 4   a model, checkpoint or picture is damaged or of the wrong kind
├── TrainingError             1   training diverged: the loss is infinite or NaN
└── InterruptedRunError  130/143  stopped by Ctrl-C or SIGTERM (141: by a closed pipe); the state is saved
```

Every message is one or two sentences: what was given and where, what is allowed, what to do.
"""

import errno
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class FeatherweightError(Exception):
    """Base class of every error that this package raises on purpose."""

    exit_status = 1


class UsageError(FeatherweightError):
    """The caller asked for something that does not exist or is out of range."""

    exit_status = 2


class BudgetError(UsageError):
    """A network or recipe exceeds its budget: too many parameters, MACs or epochs."""


class DataError(FeatherweightError):
    """Data is unavailable, or does not match its digest."""

    exit_status = 3


class FileError(FeatherweightError):
    """A given file is damaged or of the wrong kind."""

    exit_status = 4


class TrainingError(FeatherweightError):
    """Training diverged: the loss is infinite or NaN."""


class InterruptedRunError(FeatherweightError):
    """A run was interrupted; it finished its step and saved its state."""

    def __init__(self, signal_number: int, folder: Path) -> None:
        super().__init__(f"Stopped; resume it with: featherweight train --resume {shlex.quote(str(folder))}")
        self.exit_status = 128 + signal_number


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest valid name, then the full list.

    >>> nearest("c4", ["f1", "f2", "c3"])
    'did you mean c3? There are: f1, f2, c3.'
    >>> nearest("zebra", ["sgd", "adam"])
    'there are: sgd, adam.'
    """
    names = list(allowed)
    close = get_close_matches(given.lower(), names, n=1, cutoff=0.5)
    everything = ", ".join(names)
    return f"did you mean {close[0]}? There are: {everything}." if close else f"there are: {everything}."


_NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment")
"""What PyTorch and the loader of libraries say where there is none."""


def shortage(problem: BaseException) -> str:
    """What the system has refused, if that is what an error says: `memory`, `a thread` or `a process`; else empty.

    >>> shortage(MemoryError()), shortage(RuntimeError("can't start new thread")), shortage(ValueError("out of memory"))
    ('memory', 'a thread', '')
    """
    text = str(problem)
    number = problem.errno if isinstance(problem, OSError) and problem.filename is None else 0
    loading = isinstance(problem, RuntimeError | ImportError)
    if isinstance(problem, MemoryError) or number == errno.ENOMEM or (loading and any(no in text for no in _NO_MEMORY)):
        return "memory"
    if isinstance(problem, RuntimeError) and "start new thread" in text:
        return "a thread"
    # A stream that would have to wait gives the same number, with the characters that it did take.
    return "a process" if number == errno.EAGAIN and not hasattr(problem, "characters_written") else ""
