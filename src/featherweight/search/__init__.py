"""Searching for small networks: Optuna explores a space of architectures and recipes under a hard budget.

```
space.py      search spaces, the cost of a proposal and by how much it exceeds the limits
spaces/       the spaces that come with the package, one short file each
storage.py    where a study is stored: a journal or a database
study.py      a study in a storage shared by processes and machines: its settings, and the outcomes of its trials
trials.py     what is drawn from a study, refused or claimed, trained, and reported to it
driver.py     the one process that draws and reports, while a pool's workers train
outcome.py    the finished trials, their Pareto front, tables and figure
source.py     a proposal as the source of an experiment file
learning_rate.py   the learning-rate range test
```

Nothing here reads a test set: every choice is made on images held out of the training set.
"""

from importlib.util import find_spec

from featherweight.errors import UsageError

__all__ = ["require_optuna"]


def require_optuna() -> None:
    """Raise UsageError unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise UsageError("Searching needs Optuna, which is not installed; install it with: pip install optuna")
