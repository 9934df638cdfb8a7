"""A network and a recipe that carry every kind of state there is, and train in half a second on the embedded digits.

Target: to be killed, again and again.
Why: dropout, batch norm, momentum, a schedule, an average and augmentation each have something to lose.
"""

from torch import nn

from featherweight import conv_norm_relu
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Augment, OneCycle, Recipe


def network() -> nn.Module:
    return nn.Sequential(
        nn.MaxPool2d(2), conv_norm_relu(1, 11, dropout=0.1), nn.MaxPool2d(2), conv_norm_relu(11, 19),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(19, 10),
    )  # fmt: skip


experiment = Experiment(
    id="tiny",
    title="killed, again and again",
    network=network,
    recipe=Recipe(
        epochs=2, batch=240, lr=0.1, schedule=OneCycle(), augment=Augment(rotate_deg=5, shift_px=1), average=0.9
    ),
    budget=Budget(parameters=4000, epochs=20, accuracy=5, held=1),
)
