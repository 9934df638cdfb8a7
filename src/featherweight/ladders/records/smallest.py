"""Towards the fewest weights that still hold the rule on nine seeds of ten.

Target: fewer than 3,500 parameters, and 99.40 % in each of the last five epochs on nine seeds of ten.
Why: a network that passes once may have been lucky; one that passes on nine seeds of ten is small enough for the
rule, not for the seed.

Analysis: It holds 99.40 % on every seed. Weights for each place of the last map tell more than another convolution
would. Images changed as hard as for f3 keep even a network this small from learning its writers by heart.
"""

from torch import nn

from featherweight.bar import Bar
from featherweight.budget import Budget
from featherweight.claims import Claim, holds, opinion
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Augment, OneCycle, Recipe


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions, a pool at field 5, three more, a weighted sum over the places of each channel, a linear layer.

    The weighted sum is a depthwise convolution over the whole map (Chen et al., "MobileFaceNets", 2018).
    """
    # fmt: off
    return nn.Sequential(                             # channels height width field
        conv_norm_relu(channels, 5),                  #  5 26 26  3
        conv_norm_relu(5, 9),                         #  9 24 24  5
        nn.MaxPool2d(2),                              #  9 12 12  6
        conv_norm_relu(9, 9),                         #  9 10 10 10
        conv_norm_relu(9, 10),                        # 10  8  8 14
        conv_norm_relu(10, 12),                       # 12  6  6 18
        nn.AvgPool2d(2),                              # 12  3  3 20
        nn.Conv2d(12, 12, 3, groups=12, bias=False),  # 12  1  1 28
        nn.BatchNorm2d(12),                           # 12  1  1 28
        nn.Flatten(),
        nn.Linear(12, classes),
    )
    # fmt: on


experiment = Experiment(
    id="smallest",
    parent="f3",
    title="a weighted sum over places in place of a convolution and the average",
    network=network,
    recipe=Recipe(
        epochs=15,
        batch=64,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        schedule=OneCycle(peak_at=0.15),
        augment=Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        plain_epochs=2,
        average=0.998,
    ),
    budget=Budget(parameters=3500),
    bar=Bar(passed=9),
    claims=(
        Claim("It holds 99.40 % on every seed.", holds(99.4)),
        opinion("Weights for each place of the last map tell more than another convolution would."),
        opinion("Images changed as hard as for f3 keep even a network this small from learning its writers by heart."),
    ),
)
