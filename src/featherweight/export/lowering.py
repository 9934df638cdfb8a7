"""A network as a list of simple steps that every exported form can execute, or an error that names the layer it cannot.

The steps are convolutions (which linear layers and norms become), activations, the two kinds of pool, and sums. Step i
reads tensor i (the pictures are tensor 0) or, where branches split, an earlier one, and makes tensor i + 1; a sum reads
a second one. Which steps a layer becomes is said by its kind, in `networks.layers`.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import NOTHING, Preprocessing
from featherweight.networks import layers, steps
from featherweight.networks.layers.kind import EXPORTED, Draft
from featherweight.networks.layers.kind import Size as Size

Step = steps.Operation[Tensor]


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """A network in steps. Its last tensor holds the scores of the classes, [classes 1 1]."""

    steps: tuple[Step, ...]
    sizes: tuple[Size, ...]
    """(C, H, W) of each tensor, one more than there are steps; the first one is a picture after `preprocessing`."""
    bits: int = 8
    """Of each weight in the C program."""
    preprocessing: Preprocessing = NOTHING
    """What is done to a picture before the first step."""
    log_output: bool
    """Whether the network itself ends in LogSoftmax, which the steps leave out; the probabilities are the same."""

    @property
    def classes(self) -> int:
        """The number of scores per picture."""
        return self.sizes[-1][0]


def lower(network: nn.Module, shape: Size, bits: int = 8) -> Lowered:
    """The steps of a network in evaluation mode on pictures of `shape` (C, H, W), with weights of 8, 4 or 2 bits in C.

    Batch norm right after a convolution is folded into it (in float64); elsewhere it becomes a convolution of one
    channel each. Raises UsageError, naming the layer, if a layer cannot be lowered.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> lowered = lower(network.eval(), (1, 8, 8))
    >>> [step.kind for step in lowered.steps], lowered.sizes
    (['convolution', 'relu', 'convolution'], ((1, 8, 8), (4, 6, 6), (4, 6, 6), (3, 1, 1)))
    """
    draft = Draft(form=EXPORTED, sizes=[shape])
    layers.lower(network, "", draft)
    classes, height, width = draft.size
    if not draft.steps or not draft.flat or (height, width) != (1, 1):
        raise UsageError(f"The network gives {classes} x {height} x {width} numbers per picture, which are not scores"
                         " of classes; end it with Flatten, after a pool or a linear layer.")  # fmt: skip
    made = []
    for at, step in enumerate(draft.steps):
        source = step.pop("in")
        made.append(Step(**step, source=-1 if source == at else source))
    return Lowered(steps=tuple(made), sizes=tuple(draft.sizes), log_output=draft.log_output, bits=bits,
                   preprocessing=draft.preprocessing)  # fmt: skip
