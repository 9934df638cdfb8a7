"""Towards the fewest weights that still hold the rule on nine seeds of ten.

Target: fewer than 3,500 parameters, and 99.40 % in each of the last five epochs on nine seeds of ten.
Why: a network that passes once may have been lucky; one that passes on nine seeds of ten is small enough for the
rule, not for the seed.

Result: 99.43 % of the test set at the last epoch, on average over 10 seeds (standard deviation 0.06, worst 99.29).
Worst of any last 5 epochs 99.29; 5 of 10 within budget. Training images as they are: 99.60 %. Best epoch, which decides
nothing: 99.46 on average.

Analysis: It holds 99.40 % on every seed (undecided). Six narrow convolutions tell more than five wider ones and a
weighted sum over places (opinion). Images are changed less than for f3, and hard digits taken less often: a network
this small has no room for more (opinion).
"""

from torch import nn

from featherweight.bar import Bar
from featherweight.budget import Budget
from featherweight.claims import Claim, holds, opinion
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Augment, HardExamples, OneCycle, Recipe


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions, a pool at field 5, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(             # channels height width field
        conv_norm_relu(channels, 6),  #  6 26 26  3
        conv_norm_relu(6, 8),         #  8 24 24  5
        nn.MaxPool2d(2),              #  8 12 12  6
        conv_norm_relu(8, 8),         #  8 10 10 10
        conv_norm_relu(8, 9),         #  9  8  8 14
        conv_norm_relu(9, 9),         #  9  6  6 18
        conv_norm_relu(9, 9),         #  9  4  4 22
        nn.AdaptiveAvgPool2d(1),      #  9  1  1 28
        nn.Flatten(),
        nn.Linear(9, classes),
    )
    # fmt: on


experiment = Experiment(
    id="smallest",
    parent="f3",
    title="six narrow convolutions and the average, hard digits more often",
    network=network,
    recipe=Recipe(
        epochs=15,
        batch=64,
        optimizer="sgd",
        lr=0.2,
        momentum=0.9,
        nesterov=True,
        weight_decay=2e-4,
        schedule=OneCycle(peak_at=0.15),
        augment=Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.4, elastic_cells=6),
        hard=HardExamples(factor=5),
        plain_epochs=2,
        average=0.998,
    ),
    budget=Budget(parameters=3500),
    bar=Bar(passed=9),
    claims=(
        Claim("It holds 99.40 % on every seed.", holds(99.4)),
        opinion("Six narrow convolutions tell more than five wider ones and a weighted sum over places."),
        opinion(
            "Images are changed less than for f3, and hard digits taken less often: a network this small has no room"
            " for more."
        ),
    ),
)
