"""What can go wrong, and the exit status that says so.

```
FeatherweightError            1   never raised itself
├── UsageError                2   unknown name, bad option, bad experiment or recipe
│   └── BudgetError           2   a network over its budget, refused before the first step
├── DataError                 3   data could not be had, or does not match its digest
├── FileError                 4   a model, checkpoint or picture is not what it should be
├── TrainingError             1   training broke down: the loss is not a number
└── InterruptedRunError  130/143  stopped by Ctrl-C or SIGTERM (141: by a closed pipe); the state is saved
```

Every message is one sentence or two: what was given and where, what is allowed, what to do.
"""

import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class FeatherweightError(Exception):
    """The root; catch it to catch everything this package raises on purpose."""

    exit_status = 1


class UsageError(FeatherweightError):
    """The caller asked for something that does not exist or is out of range."""

    exit_status = 2


class BudgetError(UsageError):
    """A network has more parameters, or a recipe more epochs, than its budget allows."""


class DataError(FeatherweightError):
    """Data could not be had, or is not what its name promises."""

    exit_status = 3


class FileError(FeatherweightError):
    """A file that was named is not what it should be."""

    exit_status = 4


class TrainingError(FeatherweightError):
    """Training broke down: a loss that is infinite or not a number."""


class InterruptedRunError(FeatherweightError):
    """A run was asked to stop; it finished its step and saved its state."""

    def __init__(self, signal_number: int, folder: Path, *, own_file: bool = False) -> None:
        trust = " --trust" * own_file  # without which a file that a record names is not executed
        super().__init__(f"Stopped; take it up with: featherweight train --resume {shlex.quote(str(folder))}{trust}")
        self.exit_status = 128 + signal_number


def nearest(given: str, allowed: Iterable[str]) -> str:
    """The clause that ends a message about an unknown name: the nearest valid one, then all of them.

    >>> nearest("c4", ["f1", "f2", "c3"])
    'did you mean c3? There are: f1, f2, c3.'
    >>> nearest("zebra", ["sgd", "adam"])
    'there are: sgd, adam.'
    """
    names = list(allowed)
    close = get_close_matches(given.lower(), names, n=1, cutoff=0.5)
    everything = ", ".join(names)
    return f"did you mean {close[0]}? There are: {everything}." if close else f"there are: {everything}."
