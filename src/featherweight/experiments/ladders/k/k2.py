"""Other layers: an early pool, and the weights after it.

Target: More from as many weights as the rule allows.
Why: a pool at field 3 makes all that follows four times as cheap to compute and leaves the weights to deeper layers,
of which there are six that widen slowly.

Result: 99.31 % of the test set at the last epoch, on average over 5 seeds (standard deviation 0.06, worst 99.23). Worst
of any last 5 epochs 99.04; 0 of 5 within budget. Training images as they are: 99.56 %. Best epoch, for reference: 99.37
on average.

Analysis: It beats the step before (undecided). It overfits (borne out).
"""

from torch import nn

import featherweight as fw


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A convolution, a pool at field 3, six that widen, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                  # channels height width field
        fw.conv_norm_relu(channels, 8, dropout=0.05),      #  8 26 26  3
        nn.MaxPool2d(2),                                   #  8 13 13  4
        fw.conv_norm_relu(8, 9, padding=1, dropout=0.05),  #  9 13 13  8
        fw.conv_norm_relu(9, 10, dropout=0.05),            # 10 11 11 12
        fw.conv_norm_relu(10, 12, dropout=0.05),           # 12  9  9 16
        fw.conv_norm_relu(12, 13, dropout=0.05),           # 13  7  7 20
        fw.conv_norm_relu(13, 14, dropout=0.05),           # 14  5  5 24
        fw.conv_norm_relu(14, 15),                         # 15  3  3 28
        nn.AdaptiveAvgPool2d(1),                           # 15  1  1 32
        nn.Flatten(),
        nn.Linear(15, classes),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="k1",
    title="f3's layers",
    network=network,
    recipe=fw.Recipe(lr=0.05),
    claims=(
        fw.Claim("It beats the step before.", fw.claims.beats_parent()),
        fw.Claim("It overfits.", fw.claims.overfits()),
    ),
)
