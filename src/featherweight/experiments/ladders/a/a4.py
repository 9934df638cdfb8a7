"""Batch norm after every convolution but the last.

Target: more than the plain network of this size reaches, and sooner.
Why: without norms the first epochs are spent on finding a scale; some hundred parameters take this off the weights.

Open: The source does not say where the norms stand; we take them after ReLU, as in the layers that it prints for its
last rung. It reports 99.74 % of the training images and 99.21 % of the test images.

Result: 99.12 % of the test set at the last epoch, on average over 3 seeds (standard deviation 0.09, worst 99.05). Worst
of any last 5 epochs 99.01; 0 of 3 within budget. Training images as they are: 99.88 %. Best epoch, for reference: 99.19
on average, where 99.21 is claimed.

Analysis: It still overfits (borne out). Ours: it beats the network without norms (borne out). Ours: it is at 98.90 % in
fewer epochs than that (borne out).
"""

from torch import nn

import featherweight as fw


def network() -> nn.Sequential:
    """Two convolutions, a pool, four more, and one big kernel that reads the 5 x 5 map off."""
    # fmt: off
    return nn.Sequential(                                             # channels height width field
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8),  #  8 28 28  3
        nn.Conv2d(8, 9, 3), nn.ReLU(), nn.BatchNorm2d(9),             #  9 26 26  5
        nn.MaxPool2d(2),                                              #  9 13 13  6
        nn.Conv2d(9, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),           # 10 11 11 10
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),          # 10  9  9 14
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),          # 10  7  7 18
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),          # 10  5  5 22
        nn.Conv2d(10, 10, 5),                                         # 10  1  1 30
        nn.Flatten(),
    )
    # fmt: on


experiment = fw.Experiment(
    parent="a3",
    title="batch normalisation",
    network=network,
    recipe=fw.Recipe(epochs=20, batch=64, lr=0.01, nesterov=False),
    budget=fw.Budget(epochs=20),
    claims=(
        fw.Claim("It still overfits.", fw.claims.overfits()),
        fw.Claim("Ours: it beats the network without norms.", fw.claims.beats_parent()),
        fw.Claim("Ours: it is at 98.90 % in fewer epochs than that.", fw.claims.converges_faster(98.9)),
    ),
    claimed=99.21,
)
