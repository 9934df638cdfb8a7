"""Whether a network can go to C, asked before it is trained rather than after."""

import copy

from torch import nn

from featherweight.data import Data
from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.ship.export.fixed_point import outline
from featherweight.ship.export.lowering import Size, lower
from featherweight.ship.export.memory import Memory, planned

OF_A_CHIP = ("flash", "ram")
"""Limits of a budget that only a program in C can keep."""


def require_form(experiment: Experiment, data: Data, to: str | None) -> None:
    """Raise UsageError if the form asked for, `c` or None, or a budget that only C can keep, cannot be had.

    `to` names what the network is trained for; with None, C is asked for by a budget that limits flash or RAM.
    """
    if to not in (None, "c"):
        raise UsageError(f"A network is trained for c, or for no form in particular; given {to!r:.40}.")
    if to == "c" or asks_for_c(experiment.budget):
        channels, height, width = map(int, data.train.images.shape[1:])
        require_c(experiment.build(channels, len(data.classes)), (channels, height, width))


def asks_for_c(budget: Budget) -> bool:
    """Whether the budget limits what a microcontroller has.

    >>> asks_for_c(Budget())
    False
    """
    return any(getattr(budget, name, None) is not None for name in OF_A_CHIP)


def require_c(network: nn.Module, shape: Size) -> Memory:
    """What the network's C program takes on images of `shape` (C H W), planned from its layers alone.

    The network is left as it was. Raises UsageError, naming the layer, if C has no step for one.

    >>> layers = nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    >>> require_c(nn.Sequential(*layers), (1, 8, 8)).ram
    433
    """
    try:
        return planned(outline(lower(copy.deepcopy(network).eval().cpu(), shape)))
    except UsageError as problem:
        said = str(problem)
        raise UsageError(f"This network cannot go to C, which was asked for: {said[0].lower()}{said[1:]}") from problem
