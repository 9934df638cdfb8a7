"""A linear layer after the pooling.

Target: more than the rung before, with the parameters that the pooling has saved.
Why: ten channels must each be a digit at every place; with a linear layer after the average the last convolution may
look for thirty features, and the layer says which of them make a digit.

Open: The source gives 6,400 to 6,600 parameters; the last convolution gets 30 channels. It reports 99.11 % of the
training images and 99.36 % of the test images, both at epoch 20.

Result: 99.34 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.03, worst 99.31). Worst
of any last 5 epochs 99.23; 0 of 3 within budget. Training images as they are: 99.59 %. Best epoch, for reference: 99.41
on average, where 99.36 is claimed.

Analysis: It underfits (not borne out). Ours: it beats the network without the layer (undecided).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(                                                               # channels height width field
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.Dropout(0.05),  #  8 28 28  3
        nn.Conv2d(8, 9, 3), nn.ReLU(), nn.BatchNorm2d(9), nn.Dropout(0.05),             #  9 26 26  5
        nn.MaxPool2d(2),                                                                #  9 13 13  6
        nn.Conv2d(9, 10, 3), nn.ReLU(), nn.BatchNorm2d(10), nn.Dropout(0.05),           # 10 11 11 10
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10), nn.Dropout(0.05),          # 10  9  9 14
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10), nn.Dropout(0.05),          # 10  7  7 18
        nn.Conv2d(10, 30, 3), nn.ReLU(), nn.BatchNorm2d(30), nn.Dropout(0.05),          # 30  5  5 22
        nn.AdaptiveAvgPool2d(1),                                                        # 30  1  1 30
        nn.Flatten(),
        nn.Linear(30, 10),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a6",
    title="a linear layer after the pooling",
    network=network,
    recipe=fw.Recipe(epochs=20, batch=64, lr=0.01, nesterov=False),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.Claim("It underfits.", fw.claims.underfits()),
        fw.Claim("Ours: it beats the network without the layer.", fw.claims.beats_parent()),
    ),
    claimed=99.36,
)
