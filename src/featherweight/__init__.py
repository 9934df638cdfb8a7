"""Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it.

Everything that an experiment, a search space or a notebook needs is imported from here, and only when it is first used,
so that `import featherweight` costs nothing:

>>> import featherweight as fw
>>> fw.find("f3").budget.parameters
8000
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featherweight._version import __version__ as __version__
    from featherweight.api.fit import Fitted as Fitted
    from featherweight.api.fit import fit as fit
    from featherweight.api.model import Model as Model
    from featherweight.api.model import Prediction as Prediction
    from featherweight.api.model import load as load
    from featherweight.api.summary import summary as summary
    from featherweight.api.train import train as train
    from featherweight.data import Data as Data
    from featherweight.data import Split as Split
    from featherweight.data import load as _load_data
    from featherweight.errors import FeatherweightError as FeatherweightError
    from featherweight.experiments.bar import Bar as Bar
    from featherweight.experiments.budget import Budget as Budget
    from featherweight.experiments.budget import Verdict as Verdict
    from featherweight.experiments.budget import judge as judge
    from featherweight.experiments.claims import Claim as Claim
    from featherweight.experiments.claims import beats_parent as beats_parent
    from featherweight.experiments.claims import converges_faster as converges_faster
    from featherweight.experiments.claims import fluctuates as fluctuates
    from featherweight.experiments.claims import holds as holds
    from featherweight.experiments.claims import lowers_train_accuracy as lowers_train_accuracy
    from featherweight.experiments.claims import needs_capacity as needs_capacity
    from featherweight.experiments.claims import no as no
    from featherweight.experiments.claims import opinion as opinion
    from featherweight.experiments.claims import overfits as overfits
    from featherweight.experiments.claims import overfits_less as overfits_less
    from featherweight.experiments.claims import reaches as reaches
    from featherweight.experiments.claims import stalls as stalls
    from featherweight.experiments.claims import too_many_parameters as too_many_parameters
    from featherweight.experiments.claims import underfits as underfits
    from featherweight.experiments.experiment import Experiment as Experiment
    from featherweight.experiments.experiment import find as find
    from featherweight.experiments.recipe import Augment as Augment
    from featherweight.experiments.recipe import Constant as Constant
    from featherweight.experiments.recipe import Cosine as Cosine
    from featherweight.experiments.recipe import Distil as Distil
    from featherweight.experiments.recipe import HardExamples as HardExamples
    from featherweight.experiments.recipe import Linear as Linear
    from featherweight.experiments.recipe import MultiStep as MultiStep
    from featherweight.experiments.recipe import OneCycle as OneCycle
    from featherweight.experiments.recipe import Plateau as Plateau
    from featherweight.experiments.recipe import Recipe as Recipe
    from featherweight.experiments.recipe import Step as Step
    from featherweight.experiments.record import Record as Record
    from featherweight.experiments.record import Row as Row
    from featherweight.experiments.record import read_record as read_record
    from featherweight.experiments.record import summarise as summarise
    from featherweight.networks.anatomy import Anatomy as Anatomy
    from featherweight.networks.anatomy import dissect as dissect
    from featherweight.networks.architecture import layer as layer
    from featherweight.networks.difference import differences as differences
    from featherweight.networks.layers import Gated as Gated
    from featherweight.networks.layers import Residual as Residual
    from featherweight.networks.layers import Sum as Sum
    from featherweight.networks.layers import conv_norm_relu as conv_norm_relu
    from featherweight.networks.layers import residual_norm_relu as residual_norm_relu
    from featherweight.networks.layers import separable_norm_relu as separable_norm_relu
    from featherweight.networks.layers import squeeze_excite as squeeze_excite
    from featherweight.networks.preprocessing import Crop as Crop
    from featherweight.networks.preprocessing import Deskew as Deskew
    from featherweight.report import analysis as analysis
    from featherweight.report import figures as figures
    from featherweight.report import notebook as notebook
    from featherweight.search.learning_rate import find_lr as find_lr
    from featherweight.search.learning_rate import rate_curve as rate_curve
    from featherweight.search.space import Proposal as Proposal
    from featherweight.search.space import Space as Space
    from featherweight.search.space import rounded as rounded
    from featherweight.search.space import stack as stack
    from featherweight.training.runs.run import new_run as new_run
    from featherweight.training.runs.run import resume as resume
    from featherweight.training.runs.run import train as _steps
    from featherweight.training.runs.trained import TrainedModel as TrainedModel
    from featherweight.training.runs.trained import data_of as data_of
    from featherweight.training.runs.trained import load_trained as load_trained

    load_data = _load_data
    steps = _steps

_HOMES = {
    "api.train": "train",
    "data": "Data Split",
    "errors": "FeatherweightError",
    "experiments.bar": "Bar",
    "experiments.budget": "Budget Verdict judge",
    "experiments.claims": "Claim beats_parent converges_faster fluctuates holds lowers_train_accuracy needs_capacity no"
    " opinion overfits overfits_less reaches stalls too_many_parameters underfits",
    "experiments.experiment": "Experiment find",
    "experiments.recipe": "Augment Constant Cosine Distil HardExamples Linear MultiStep OneCycle Plateau Recipe Step",
    "experiments.record": "Record Row read_record summarise",
    "networks.anatomy": "Anatomy dissect",
    "networks.architecture": "layer",
    "networks.difference": "differences",
    "networks.layers": "Gated Residual Sum conv_norm_relu residual_norm_relu separable_norm_relu squeeze_excite",
    "networks.preprocessing": "Crop Deskew",
    "api.fit": "Fitted fit",
    "search.learning_rate": "find_lr rate_curve",
    "search.space": "Proposal Space rounded stack",
    "api.model": "Model Prediction load",
    "api.summary": "summary",
    "training.runs.run": "new_run resume",
    "training.runs.trained": "TrainedModel data_of load_trained",
}
"""Where each public name lives. A module may move, and nobody's file breaks."""
_MODULES = {"analysis": "report.analysis", "figures": "report.figures", "notebook": "report.notebook"}
"""Modules whose functions are used by their module's name, as `fw.figures.accuracy`."""
_RENAMED = {"load_data": ("data", "load"), "steps": ("training.runs.run", "train")}
"""Public names that say more than the module's own, which is read beside the module's."""
_HOME_OF = {name: (home, name) for home, names in _HOMES.items() for name in names.split()} | _RENAMED

__all__ = sorted([*_HOME_OF, *_MODULES])
_HOME_OF["__version__"] = ("_version", "__version__")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"featherweight.{_MODULES[name]}")
    if name not in _HOME_OF:
        raise AttributeError(f"featherweight has no {name!r}; it has: {', '.join(__all__)}")
    home, own = _HOME_OF[name]
    return getattr(import_module(f"featherweight.{home}"), own)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
