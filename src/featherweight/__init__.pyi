# The public names, and where each lives. This is their only list: __init__.py reads it when a name is first used.
# A name with another one in its module is imported with an underscore in front.

from featherweight._version import __version__ as __version__
from featherweight.api.estimator import Classifier as Classifier
from featherweight.api.fit import fit as fit
from featherweight.api.model import Model as Model
from featherweight.api.model import load as load
from featherweight.api.summary import summary as summary
from featherweight.api.train import train as train
from featherweight.data import load as _load_data
from featherweight.data.dataset import Data as Data
from featherweight.errors import FeatherweightError as FeatherweightError
from featherweight.experiments import claims as claims
from featherweight.experiments.bar import Bar as Bar
from featherweight.experiments.budget import Budget as Budget
from featherweight.experiments.claims import Claim as Claim
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
from featherweight.experiments.record import read_record as read_record
from featherweight.experiments.verdicts import summarise as summarise
from featherweight.networks.anatomy import dissect as dissect
from featherweight.networks.difference import differences as differences
from featherweight.networks.layers.blocks import Gated as Gated
from featherweight.networks.layers.blocks import Residual as Residual
from featherweight.networks.layers.blocks import Sum as Sum
from featherweight.networks.layers.blocks import conv_norm_relu as conv_norm_relu
from featherweight.networks.layers.blocks import residual_norm_relu as residual_norm_relu
from featherweight.networks.layers.blocks import separable_norm_relu as separable_norm_relu
from featherweight.networks.layers.preprocessing import Crop as Crop
from featherweight.networks.layers.preprocessing import Deskew as Deskew
from featherweight.report import analysis as analysis
from featherweight.report import figures as figures
from featherweight.report import notebook as notebook
from featherweight.search.learning_rate import find_lr as find_lr
from featherweight.search.space import Proposal as Proposal
from featherweight.search.space import Space as Space
from featherweight.search.space import rounded as rounded
from featherweight.search.space import stack as stack
from featherweight.training.runs.run import new_run as new_run
from featherweight.training.runs.run import resume as resume
from featherweight.training.runs.run import train as _steps

load_data = _load_data
steps = _steps
