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
from featherweight.export.lowering import Size, Step, lower
from featherweight.export.memory import SMALLEST_PROCESSOR, Memory, deskewing, measured_kernels, planned
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
    rates = measured_kernels()["processors"][processor]["cycles"]
    cycles = upright * deskewing(processor)["cycles"] if upright else 0.0
    return Deployed(
        flash=memory.flash,
        ram=memory.ram,
        picture=shape[0] * shape[1] * shape[2],
        macs=work["multiplications"] + work["unpacked"] + upright,
        cycles=round(sum(rates.get(part, 0) * n for part, n in work.items()) + cycles),
    )


def refusal(network: nn.Module, shape: Size) -> str | None:
    """Why this network for pictures of `shape` (C, H, W) cannot become C, in one sentence; None if it can.

    It need not be trained, and it is not changed.

    >>> refusal(nn.Sequential(nn.Conv2d(1, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 3)), (1, 8, 8))
    'Layer 1 (GELU) is of a kind that has no exported form; the network cannot be exported.'
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
        wide, high, across = network.sizes[index + 1]
        rows, columns = step.kernel
        places = high * across
        turns = high * (rows if memory.streams[index] is not None else 1)
        found["turns"] += turns
        found["rows"] += high * rows
        found["requests"] += turns * (len(network.stages) - index) * branches
        if step.kind == "convolution":
            found += _convolution(step, network.sizes[step.reads(index)[0]], network.sizes[index + 1], network.bits)
            found["outputs"] += wide * places * turns // high
        elif step.kind in CURVES:
            found["looked up"] += wide * places
        elif step.kind == "add":
            found["sums"] += wide * places
        else:
            found[f"{step.kind} outputs"] += wide * places * turns // high
            found[f"{step.kind} rows"] += wide * places * rows
            found[f"{step.kind} inputs"] += wide * places * rows * columns
    return found


def _convolution(step: Step, source: Size, made: Size, bits: int) -> Counter[str]:
    """The operations of a convolution: runs of weights times pixels by kind, as the program's `dot` takes them."""
    channels, tall, width = source
    wide, high, across = made
    rows, columns = step.kernel
    inputs = channels // step.groups

    def inside(count: int, axis: int, size: int) -> list[int]:
        """For each row or column of the result, how many of the kernel's rows or columns lie inside."""
        firsts = (place * step.stride[axis] - step.pad[axis] for place in range(count))
        apart = [part * step.dilation[axis] for part in range(step.kernel[axis])]
        return [sum(0 <= first + part < size for part in apart) for first in firsts]

    inside_rows = sum(inside(high, 0, tall))
    inside_columns = inside(across, 1, width)
    whole = step.dilation[1] == 1 and (step.groups == 1 or inputs == 1)
    inner = sum(one == columns for one in inside_columns) * whole
    parts = sum(one for one in inside_columns if not (whole and one == columns))
    runs = wide * inside_rows * inner
    edges = wide * rows * high * across - runs
    beside, outside = wide * inside_rows * parts, edges * columns - wide * inside_rows * parts
    found: Counter[str] = Counter()
    found["multiplications" if bits == 8 else "unpacked"] = wide * rows * columns * inputs * high * across
    found |= {"places": high * across, "groups": high * across * step.groups, "runs": runs, "edge runs": edges}
    found |= {"edge parts": edges * columns, "outside": wide * (rows * high - inside_rows) * across * columns * inputs}
    lengths = [(runs, columns * inputs, step.groups == 1), (beside, inputs, True), (outside, inputs, False)]
    kind = "" if bits == 8 else "packed "
    for count, length, beside_each_other in lengths:
        each = 2 if bits < 8 else 4 if beside_each_other else length + 1
        found[f"{kind}calls"] += count
        found[f"{kind}groups of products"] += count * (length // each)
        found[f"{kind}single products"] += count * (length % each)
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
