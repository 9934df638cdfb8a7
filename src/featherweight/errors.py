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
import math
import operator
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

LARGEST = 1 << 62
"""No number that is given may be larger: records hold none that are."""


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


class ClosedOutputError(FeatherweightError):
    """Whoever read the output has gone, as `head` does."""

    exit_status = 128 + 13  # as a shell reports SIGPIPE


def nearest(given: Any, allowed: Iterable[str], listed_by: str = "") -> str:
    """The end of a message about an unknown name: the closest valid name, then the full list.

    Where the list is long and a command prints it, `listed_by`, the three closest names and that command.

    >>> nearest("c4", ["f1", "f2", "c3"])
    'did you mean c3? There are: f1, f2, c3.'
    >>> nearest("zebra", ["sgd", "adam"])
    'there are: sgd, adam.'
    >>> nearest("c4", ["f4", "c3", "zebra"], "featherweight list")
    'did you mean f4, c3? `featherweight list` prints all names.'
    >>> nearest("nosuch", ["f4", "leanest"], "featherweight list")
    'the closest names are leanest, f4. `featherweight list` prints all names.'
    """
    names, word = list(allowed), str(given).lower()
    close = get_close_matches(word, names, n=3 if listed_by else 1, cutoff=0.5)
    if not listed_by:
        everything = ", ".join(names)
        return f"did you mean {close[0]}? There are: {everything}." if close else f"there are: {everything}."
    closest = ", ".join(close or get_close_matches(word, names, n=3, cutoff=0.0))
    asked = f"did you mean {closest}?" if close else f"the closest names are {closest}."
    return f"{asked} `{listed_by}` prints all names."


def whole_number(given: Any, what: str, low: int = 0, high: int | None = None) -> int:
    """The number as an int; UsageError unless it is a whole number in the range. `what` begins the sentence.

    >>> whole_number(True, "A seed")
    Traceback (most recent call last):
    featherweight.errors.UsageError: A seed is a whole number, 0 or more; given True.
    """
    try:
        number = operator.index(given)
    except TypeError:
        number = low - 1
    if isinstance(given, bool) or not low <= number <= (LARGEST if high is None else high):
        allowed = f", {low:,} or more" if high is None else f" from {low:,} to {high:,}"
        raise UsageError(f"{what} is a whole number{allowed}; given {given!r:.60}.")
    return number


_NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment", "could not create a primitive")
"""What PyTorch, its library of kernels (oneDNN) and the loader of libraries say where there is none."""


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


WORDS = {Integral: "whole number", Real: "number", str: "str", dict: "dict", tuple: "tuple", Path: "path"}


def require_kinds(**arguments: tuple[Any, Any]) -> None:
    """Raise UsageError for the first argument that is not of its kind; True is no number, and no number is infinite."""
    for name, (value, kind) in arguments.items():
        wanted = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        truth = isinstance(value, bool) and bool not in wanted
        infinite = isinstance(value, Real) and not math.isfinite(value)
        if truth or infinite or not isinstance(value, wanted):
            words = dict.fromkeys(WORDS.get(one, one.__name__) for one in wanted if one is not NoneType)
            raise UsageError(f"`{name}` is a {' or a '.join(words)}; given {value!r:.60}.")


def require_function(name: str, value: Any) -> None:
    """Raise UsageError unless the argument is None or can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"`{name}` is a function; given {value!r:.60}.")
