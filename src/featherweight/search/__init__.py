"""Small networks, looked for: a space of architectures and recipes, tried by Optuna under a hard budget.

```
space.py      layers as plain data, what a space is, what a proposal costs, and by how much it is over
spaces/       the spaces that come with the package, each one short file
study.py      a study in a storage that processes and machines share: what it is of, and what became of its trials
worker.py     one process: draw a proposal, refuse it or train it, tell what came of it
crew.py       several such processes, watched: who has died, what is done
outcome.py    the trials that finished, those on the Pareto front, tables
source.py     a proposal as the source of an experiment file
picture.py    accuracy against parameters, MACs and seconds
```

Nothing here reads a test set: every choice is made on digits held out of the training set.
"""

from importlib.util import find_spec

from featherweight.errors import UsageError

__all__ = ["require_optuna"]


def require_optuna() -> None:
    """Raise UsageError unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise UsageError(
            "Searching needs a package that is not installed here; install it with: pip install 'featherweight[search]'"
        )
