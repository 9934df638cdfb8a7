"""Regularisation, global average pooling, capacity where it pays.

Target: 99.2 % at the last epoch, and the gap between training and test closed.
Why: the step before spends nearly half of its weights on one kernel that only reads the map off, and learns the
training digits by heart. Averaging does the reading for nothing; the pool comes earlier and the weights go to the
convolutions after it, where the parts of a digit are told apart at little cost; dropout keeps the rest from being
learnt by heart.

Result: 99.24 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.02, worst 99.22). Worst
of any last 1 epochs 99.22; 5 of 5 within budget. Training images as they are: 99.57 %. Best epoch, for reference: 99.35
on average.

Analysis: It reaches 99.20 % (borne out). It overfits less (borne out). It does not hold 99.40 % for five epochs (borne
out). Beside the step before it gains little yet, within the spread of the seeds (opinion). What is left to gain is in
the images and in the learning rate (opinion).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six that widen, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                  # channels height width field
        fw.conv_norm_relu(channels, 8, dropout=0.03),      #  8 26 26  3
        nn.MaxPool2d(2),                                   #  8 13 13  4
        fw.conv_norm_relu(8, 9, padding=1, dropout=0.03),  #  9 13 13  8
        fw.conv_norm_relu(9, 10, dropout=0.03),            # 10 11 11 12
        fw.conv_norm_relu(10, 12, dropout=0.03),           # 12  9  9 16
        fw.conv_norm_relu(12, 13, dropout=0.03),           # 13  7  7 20
        fw.conv_norm_relu(13, 14, dropout=0.03),           # 14  5  5 24
        fw.conv_norm_relu(14, 15),                         # 15  3  3 28
        nn.AdaptiveAvgPool2d(1),                           # 15  1  1 32
        nn.Flatten(),
        nn.Linear(15, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="f1",
    title="dropout, global average pooling, capacity after an early pool",
    network=network,
    recipe=fw.Recipe(lr=0.05, nesterov=False),
    budget=fw.Budget(accuracy=99.2, held=1),
    claims=(
        fw.Claim("It reaches 99.20 %.", fw.claims.reaches(99.2)),
        fw.Claim("It overfits less.", fw.claims.overfits_less()),
        fw.Claim("It does not hold 99.40 % for five epochs.", fw.claims.no(fw.claims.holds(99.4))),
        fw.claims.opinion("Beside the step before it gains little yet, within the spread of the seeds."),
        fw.claims.opinion("What is left to gain is in the images and in the learning rate."),
    ),
)
