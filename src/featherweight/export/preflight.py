"""Checks whether a network can become C before it is trained rather than after."""

import copy

from torch import nn

from featherweight.data.dataset import Data
from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.export.estimate import PROCESSORS, deployed
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import Size, lower
from featherweight.export.memory import Memory, planned


def require_form(experiment: Experiment, data: Data, to: str | None) -> None:
    """Raise UsageError if the network cannot take the form `to`, BudgetError if its program is over the budget.

    `to` is `c`, or None for no form in particular; then C is checked only if the budget limits flash, RAM or cycles.
    """
    if to not in (None, "c"):
        raise UsageError(f"A network is trained for c, or for no form in particular; given {to!r:.40}.")
    limits = experiment.budget.on_chip()
    if to == "c" or limits:
        channels, height, width = map(int, data.train.images.shape[1:])
        network = experiment.build(channels, len(data.classes))
        bits = experiment.recipe.bits_in_c
        require_c(network, (channels, height, width))
        if limits:
            require_within(experiment.budget, network, (channels, height, width), bits)


def require_within(budget: Budget, network: nn.Module, shape: Size, bits: int = 8) -> None:
    """Raise BudgetError if the network's C program takes more flash, RAM or cycles than the budget allows.

    `shape` is (C, H, W); weights have 8, 4 or 2 bits. The network is not changed.
    """
    network = copy.deepcopy(network).eval().cpu()
    smallest, faster = (deployed(network, shape, processor=name, bits=bits) for name in PROCESSORS)
    takes = {"flash": smallest.flash, "ram": smallest.ram, "cycles": faster.cycles}
    for name, most in budget.on_chip().items():
        if takes[name] > most:
            unit = "cycles" if name == "cycles" else f"bytes of {name}"
            raise BudgetError(
                f"The network's C program takes {takes[name]:,} {unit} by estimate, where its budget allows"
                f" {most:,}; make its widest layers narrower, or raise the budget."
            )


def require_c(network: nn.Module, shape: Size) -> Memory:
    """The memory that the network's C program needs for images of `shape` (C, H, W), planned from its layers alone.

    The network is not changed. Raises UsageError, naming the layer, if C has no step for one.

    >>> layers = nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    >>> require_c(nn.Sequential(*layers), (1, 8, 8)).ram
    351
    """
    try:
        return planned(outline(lower(copy.deepcopy(network).eval().cpu(), shape)))
    except UsageError as problem:
        reason = str(problem)
        raise UsageError(
            f"This network cannot be exported to C as requested: {reason[0].lower()}{reason[1:]}"
        ) from problem
