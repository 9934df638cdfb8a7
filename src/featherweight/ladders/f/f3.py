"""Augmentation, a learning rate that rises and falls, and the average of the weights.

Target: 99.40 % or more in each of the last five epochs, on every seed.
Why: the rule asks for five epochs in a row, and a result that needs a lucky seed is none. The step before no longer
overfits, so harder training images are what it can still learn from; the rate and the average take out the noise that
makes single epochs fall below the target.

Result: 99.53 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.04, worst 99.46). Worst
of any last 5 epochs 99.43; 5 of 5 within budget. Training images as they are: 99.63 %. Best epoch, which decides
nothing: 99.53 on average.

Analysis: 99.40 % is held for the last five epochs on every seed (borne out). It beats the step before (borne out). It
does not fluctuate (borne out). The average of the weights is what steadies it (opinion). Dropout has gone: harder
images do its work (opinion).
"""

from torch import nn

from featherweight.bar import Bar
from featherweight.budget import Budget
from featherweight.claims import Claim, beats_parent, fluctuates, holds, no, opinion
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Augment, OneCycle, Recipe


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions, a pool at field 5, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(              # channels height width field
        conv_norm_relu(channels, 8),   #  8 26 26  3
        conv_norm_relu(8, 12),         # 12 24 24  5
        nn.MaxPool2d(2),               # 12 12 12  6
        conv_norm_relu(12, 12),        # 12 10 10 10
        conv_norm_relu(12, 14),        # 14  8  8 14
        conv_norm_relu(14, 14),        # 14  6  6 18
        conv_norm_relu(14, 14),        # 14  4  4 22
        nn.AdaptiveAvgPool2d(1),       # 14  1  1 28
        nn.Flatten(),
        nn.Linear(14, classes),
    )
    # fmt: on


experiment = Experiment(
    id="f3",
    parent="f2",
    title="augmentation, one-cycle rate, averaged weights",
    network=network,
    recipe=Recipe(
        epochs=15,
        batch=64,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=2e-4,
        schedule=OneCycle(peak_at=0.15),
        augment=Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        plain_epochs=2,
        average=0.998,
    ),
    budget=Budget(),
    bar=Bar(mean=99.58, worst_of_last=99.45, passed=10),
    claims=(
        Claim("99.40 % is held for the last five epochs on every seed.", holds(99.4)),
        Claim("It beats the step before.", beats_parent()),
        Claim("It does not fluctuate.", no(fluctuates())),
        opinion("The average of the weights is what steadies it."),
        opinion("Dropout has gone: harder images do its work."),
    ),
)
