"""Batch norm after every convolution but the last.

Target: more than the plain network of this size reaches, and sooner.
Why: without norms the first epochs are spent on finding a scale; some hundred parameters take this off the weights.

Open: The source does not say where the norms stand; we take them after ReLU, as in the layers that it prints for its
last rung. It reports 99.74 % of the training images and 99.21 % of the test images.

Analysis: It still overfits. Ours: it beats the network without norms. Ours: it is at 98.90 % in fewer epochs than that.
"""

from torch import nn

from featherweight.budget import Budget
from featherweight.claims import Claim, beats_parent, converges_faster, overfits
from featherweight.experiment import Experiment
from featherweight.recipe import Recipe


def network() -> nn.Sequential:
    """Three convolutions, a pool, three more, and one big kernel that reads the 5 x 5 map off."""
    # fmt: off
    return nn.Sequential(                                     # channels height width field
        nn.Conv2d(1, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),   # 10 26 26  3
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),  # 10 24 24  5
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),  # 10 22 22  7
        nn.MaxPool2d(2),                                      # 10 11 11  8
        nn.Conv2d(10, 8, 3), nn.ReLU(), nn.BatchNorm2d(8),    #  8  9  9 12
        nn.Conv2d(8, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),   # 10  7  7 16
        nn.Conv2d(10, 10, 3), nn.ReLU(), nn.BatchNorm2d(10),  # 10  5  5 20
        nn.Conv2d(10, 10, 5),                                 # 10  1  1 28
        nn.Flatten(),
    )
    # fmt: on


experiment = Experiment(
    id="a4",
    parent="a3",
    title="batch normalisation",
    network=network,
    recipe=Recipe(epochs=20, batch=64, optimizer="sgd", lr=0.01, momentum=0.9, nesterov=False),
    budget=Budget(epochs=20),
    claims=(
        Claim("It still overfits.", overfits()),
        Claim("Ours: it beats the network without norms.", beats_parent()),
        Claim("Ours: it is at 98.90 % in fewer epochs than that.", converges_faster(98.9)),
    ),
    claimed=99.21,
)
