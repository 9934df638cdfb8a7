"""Regularisation, global average pooling, capacity where it pays.

Target: 99.2 % at the last epoch, and the gap between training and test closed.
Why: the step before spends nearly half of its weights on one kernel that only reads the map off, and learns the
training digits by heart. Averaging does the reading for nothing; the weights go to the convolutions after the pool,
where the parts of a digit are told apart; dropout keeps the rest from being learnt by heart.

Result: 99.36 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.05, worst 99.30). Worst
of any last 5 epochs 99.16; 0 of 5 within budget. Training images as they are: 99.66 %. Best epoch, which decides
nothing: 99.39 on average.

Analysis: It beats the step before (borne out). It overfits less (borne out). It does not hold 99.40 % for five epochs
(borne out). What is left to gain is in the images and in the learning rate (opinion).
"""

from torch import nn

from featherweight.budget import Budget
from featherweight.claims import Claim, beats_parent, holds, no, opinion, overfits_less
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Recipe


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions, a pool at field 5, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                           # channels height width field
        conv_norm_relu(channels, 8, dropout=0.03),  #  8 26 26  3
        conv_norm_relu(8, 12, dropout=0.03),        # 12 24 24  5
        nn.MaxPool2d(2),                            # 12 12 12  6
        conv_norm_relu(12, 12, dropout=0.03),       # 12 10 10 10
        conv_norm_relu(12, 14, dropout=0.03),       # 14  8  8 14
        conv_norm_relu(14, 14, dropout=0.03),       # 14  6  6 18
        conv_norm_relu(14, 14),                     # 14  4  4 22
        nn.AdaptiveAvgPool2d(1),                    # 14  1  1 28
        nn.Flatten(),
        nn.Linear(14, classes),
    )
    # fmt: on


experiment = Experiment(
    id="f2",
    parent="f1",
    title="dropout, global average pooling, capacity after the pool",
    network=network,
    recipe=Recipe(epochs=15, batch=128, optimizer="sgd", lr=0.05, momentum=0.9, nesterov=False),
    budget=Budget(),
    claims=(
        Claim("It beats the step before.", beats_parent()),
        Claim("It overfits less.", overfits_less()),
        Claim("It does not hold 99.40 % for five epochs.", no(holds(99.4))),
        opinion("What is left to gain is in the images and in the learning rate."),
    ),
)
