"""Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it.

The public names, imported when they are first used, so that `import featherweight` costs nothing:

>>> import featherweight as fw
>>> fw.find("f3").budget.parameters
8000
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featherweight.anatomy import Anatomy, dissect
    from featherweight.budget import Budget, Verdict, judge
    from featherweight.claims import Claim
    from featherweight.data import Data, Split, load
    from featherweight.errors import FeatherweightError
    from featherweight.experiment import Experiment, find
    from featherweight.recipe import Augment, Recipe
    from featherweight.record import Record, read_record, summarise
    from featherweight.runs import proceed, start
    from featherweight.trained import Trained, load_trained

__version__ = "0.1.0"

_HOMES = {
    "Anatomy": "anatomy",
    "Augment": "recipe",
    "Budget": "budget",
    "Claim": "claims",
    "Data": "data",
    "Experiment": "experiment",
    "FeatherweightError": "errors",
    "Recipe": "recipe",
    "Record": "record",
    "Split": "data",
    "Trained": "trained",
    "Verdict": "budget",
    "dissect": "anatomy",
    "find": "experiment",
    "judge": "budget",
    "load": "data",
    "load_trained": "trained",
    "proceed": "runs",
    "read_record": "record",
    "start": "runs",
    "summarise": "record",
}

__all__ = [
    "Anatomy",
    "Augment",
    "Budget",
    "Claim",
    "Data",
    "Experiment",
    "FeatherweightError",
    "Recipe",
    "Record",
    "Split",
    "Trained",
    "Verdict",
    "dissect",
    "find",
    "judge",
    "load",
    "load_trained",
    "proceed",
    "read_record",
    "start",
    "summarise",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"featherweight has no {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(f"featherweight.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
