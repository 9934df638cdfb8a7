"""Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it.

Everything that an experiment, a search space or a notebook needs is imported from here, and only when it is first used,
so that `import featherweight` costs nothing:

>>> import featherweight as fw
>>> fw.find("f3").budget.parameters
8000
"""

import ast
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_CLAIMS = """beats_parent converges_faster fluctuates holds lowers_train_accuracy needs_capacity no opinion overfits
overfits_less reaches stalls too_many_parameters underfits"""
_DEPRECATED = {name: ("experiments.claims", f"fw.claims.{name}") for name in _CLAIMS.split()} | {
    "Anatomy": ("networks.anatomy", "featherweight.networks.anatomy.Anatomy"),
    "data_of": ("training.runs.trained", "fw.load(folder).data()"),
    "Fitted": ("api.fit", "featherweight.api.fit.Fitted"),
    "judge": ("experiments.budget", "featherweight.experiments.budget.judge"),
    "layer": ("networks.architecture", "featherweight.networks.architecture.layer"),
    "load_trained": ("training.runs.trained", "fw.load(folder).trained"),
    "Prediction": ("api.model", "featherweight.api.model.Prediction"),
    "rate_curve": ("search.learning_rate", "the method figure of what fw.find_lr returns"),
    "Row": ("experiments.record", "featherweight.experiments.record.Row"),
    "Split": ("data.split", "featherweight.data.split.Split"),
    "squeeze_excite": ("networks.layers.blocks", "fw.Gated, with the layers of the gate"),
    "TrainedModel": ("training.runs.trained", "featherweight.training.runs.trained.TrainedModel"),
    "Verdict": ("experiments.budget", "featherweight.experiments.budget.Verdict"),
}
"""Names that were public until 0.2: where each lives, and what to use instead."""


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """The module of each public name and its name there, as the stub beside this file imports them."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [line for line in stub.body if isinstance(line, ast.ImportFrom)]
    names = [(str(one.asname), str(line.module), one.name) for line in imports for one in line.names]
    return {name if name.startswith("__") else name.removeprefix("_"): (module, own) for name, module, own in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_homes().keys() - {"__version__"})
    if name in _DEPRECATED:
        home, instead = _DEPRECATED[name]
        warnings.warn(f"fw.{name} will go in 0.5; use {instead}.", DeprecationWarning, stacklevel=2)
        return getattr(import_module(f"featherweight.{home}"), name)
    if name not in _homes():
        raise AttributeError(f"featherweight has no {name!r}; it has: {', '.join(__getattr__('__all__'))}")
    module, own = _homes()[name]
    home = import_module(module)
    return getattr(home, own) if hasattr(home, own) else import_module(f"{module}.{own}")


def __dir__() -> list[str]:
    return sorted(_homes())
