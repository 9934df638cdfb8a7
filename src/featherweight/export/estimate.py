"""The resources a network needs on a microcontroller, from its layers alone: no compiler, training or pictures.

Weights, tables and RAM are counted exactly as in the C program. The size of its code, its stack and its cycles were
measured once by compiling and running the same C for every combination of its parts (`benchmarks/device.py`), and are
kept in `kernels.json`.
"""

import copy
from collections import Counter
from dataclasses import dataclass

from torch import nn

from featherweight.data.dataset import Data
from featherweight.errors import BudgetError, UsageError, nearest
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.export.fixed_point import FixedPoint, outline
from featherweight.export.lowering import Size, lower
from featherweight.export.memory import NORMS, SMALLEST_PROCESSOR, Memory, deskewing, measured_kernels, planned
from featherweight.export.tables import layer_table, require_in_range, tensors_of
from featherweight.networks.layers.activations import CURVES

PROCESSORS = (SMALLEST_PROCESSOR, "cortex-m4")


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """The cost of a network's 8-bit C program on a microcontroller."""

    flash: int
    """Bytes of code, weights and tables."""
    ram: int
    """Bytes of rows, sums and stack, without the picture and the scores, which the caller holds."""
    picture: int
    """Bytes of the picture."""
    macs: int
    """Multiplications per picture, deskewing's included."""
    cycles: int
    """Processor cycles per picture, if memory never makes it wait."""


def deployed(
    network: nn.Module, shape: Size, classes: int | None = None, processor: str = SMALLEST_PROCESSOR, bits: int = 8
) -> Deployed:
    """The cost of the network for pictures of `shape` (C, H, W), with weights of 8, 4 or 2 bits; it must be in
    evaluation mode.

    Raises UsageError for a layer that C does not support (naming it), for a number of scores other than `classes`, and
    for an unknown processor.

    >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    >>> it = deployed(network.eval(), (1, 28, 28), 3)
    >>> it.macs == 26 * 26 * 8 * 9 + 8 * 3, it.picture, it.flash < 3000, it.ram < 1000
    (True, 784, True, True)
    """
    if processor not in PROCESSORS:
        raise UsageError(f"Unknown processor {processor!r}; {nearest(processor, PROCESSORS)}")
    lowered = lower(network, shape, bits)
    if classes is not None and lowered.classes != classes:
        raise UsageError(f"The network gives {lowered.classes} scores per picture, not the {classes} required.")
    integers = outline(lowered)
    memory = planned(integers, processor)
    work = operations(integers, memory)
    upright = lowered.preprocessing.macs(shape)
    rates = measured_kernels()["processors"][processor]["cycles"] | {"normalized": NORMS[processor]["cycles"]}
    cycles = upright * deskewing(processor)["cycles"] if upright else 0.0
    return Deployed(
        flash=memory.flash,
        ram=memory.ram,
        picture=shape[0] * shape[1] * shape[2],
        macs=work["multiplications"] + work["unpacked"] + upright,
        cycles=round(sum(rates[part] * n for part, n in work.items()) + cycles),
    )


def refusal(network: nn.Module, shape: Size) -> str | None:
    """Why this network for pictures of `shape` (C, H, W) cannot become C, in one sentence; None if it can.

    It need not be trained, and it is not changed.

    >>> refusal(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Mish(), nn.Flatten(), nn.Linear(144, 3)), (1, 8, 8))
    'Layer 1 (Mish) is of a kind that has no exported form; the network cannot be exported.'
    """
    try:
        integers = outline(lower(copy.deepcopy(network).eval(), shape))
        memory = planned(integers)
        require_in_range(
            integers, tensors_of(integers, memory.places, memory.rings), layer_table(integers, memory.streams)
        )
    except UsageError as problem:
        return str(problem)
    return None


def operations(network: FixedPoint, memory: Memory) -> Counter[str]:
    """How often the C program carries out each of its time-consuming operations for one picture."""
    found: Counter[str] = Counter({"pictures": 1})
    branches = any(stage.step.kind == "add" for stage in network.stages)
    for index, stage in enumerate(network.stages):
        step = stage.step
        channels, tall, width = network.sizes[step.reads(index)[0]]
        wide, _, across = network.sizes[index + 1]
        rows, columns = step.kernel
        turns = memory.turns[index]
        high = turns // (rows if memory.streams[index] is not None else 1)
        places = high * across
        found["turns"] += turns
        found["rows"] += high * rows
        found["requests"] += turns * (len(network.stages) - index if branches else 1)
        if step.kind == "convolution":
            inputs = channels // step.groups
            left, reach = step.pad[1], step.reach[1]
            inner = max(0, min(across, (width - reach + left) // step.stride[1] + 1) - -(-left // step.stride[1]))
            whole = step.dilation[1] == 1 and (step.groups == 1 or inputs == 1)
            inside = sum(
                0 <= row * step.stride[0] - step.pad[0] + part * step.dilation[0] < tall
                for row in range(high)
                for part in range(rows)
            )
            runs = wide * inside * inner * whole
            edges = wide * rows * places - runs
            found["multiplications" if network.bits == 8 else "unpacked"] += wide * rows * columns * inputs * places
            found["places"] += places
            found["groups"] += places * step.groups
            found["outputs"] += wide * places * turns // high
            found["runs"] += runs
            found["edge runs"] += edges
            found["outside"] += wide * (rows * high - inside) * across * columns * inputs
            found["edge parts"] += edges * columns
        elif step.kind == "group norm":
            found["normalized"] += wide * places
        elif step.kind in CURVES:
            found["looked up"] += wide * places
        elif step.kind == "add":
            found["sums"] += wide * places
        else:
            found[f"{step.kind} outputs"] += wide * places * turns // high
            found[f"{step.kind} rows"] += wide * places * rows
            found[f"{step.kind} inputs"] += wide * places * rows * columns
    return found


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
