"""The least time to 99.40 % at the last epoch.

Target: 99.42 % at the last epoch on average over ten seeds, after at most 15 s of training on two cores.
Why: what can be trained within a quarter of a minute can be tried often; and time, unlike epochs, is what one waits
for.

Analysis: It reaches 99.40 % on every seed. Steps of 128 images cost less an image than steps of 64.
"""

from torch import nn

from featherweight.bar import Bar
from featherweight.budget import Budget
from featherweight.claims import Claim, opinion, reaches
from featherweight.experiment import Experiment
from featherweight.layers import conv_norm_relu
from featherweight.recipe import Augment, OneCycle, Recipe


def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    """Two convolutions, a pool at field 5, four more, the average of each channel, and a linear layer."""
    # fmt: off
    return nn.Sequential(             # channels height width field
        conv_norm_relu(channels, 8),  #  8 26 26  3
        conv_norm_relu(8, 10),        # 10 24 24  5
        nn.MaxPool2d(2),              # 10 12 12  6
        conv_norm_relu(10, 12),       # 12 10 10 10
        conv_norm_relu(12, 12),       # 12  8  8 14
        conv_norm_relu(12, 14),       # 14  6  6 18
        conv_norm_relu(14, 14),       # 14  4  4 22
        nn.AdaptiveAvgPool2d(1),      # 14  1  1 28
        nn.Flatten(),
        nn.Linear(14, classes),
    )
    # fmt: on


experiment = Experiment(
    id="fastest",
    parent="f3",
    title="five epochs, larger steps: 99.40 % in the least time",
    network=network,
    recipe=Recipe(
        epochs=5,
        batch=128,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=2e-4,
        schedule=OneCycle(peak_at=0.15),
        augment=Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.6, elastic_cells=6),
        plain_epochs=1,
        average=0.99,
    ),
    budget=Budget(epochs=15, held=1, seconds=15),
    bar=Bar(mean=99.42, seconds=15, threads=2),
    claims=(
        Claim("It reaches 99.40 % on every seed.", reaches(99.4)),
        opinion("Steps of 128 images cost less an image than steps of 64."),
    ),
)
