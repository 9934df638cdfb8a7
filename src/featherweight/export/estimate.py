"""The resources a network needs on a microcontroller, from its layers alone: no compiler, training or pictures.

Weights, tables and RAM are counted exactly as in the C program, and so are its operations. The size of its code and its
stack were measured by compiling and running the same C for every combination of its parts (`benchmarks/device.py`), the
cycles of each operation by following random networks (`benchmarks/cycles.py`); all are kept in `kernels.json`.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from featherweight.data.dataset import Data
from featherweight.errors import BudgetError, UsageError, nearest
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import Size, lower
from featherweight.export.memory import SMALLEST_PROCESSOR, Memory, deskewing, measured_kernels, planned
from featherweight.export.operations import operations
from featherweight.export.tables import layer_table, require_in_range, tensors_of

PROCESSORS = (SMALLEST_PROCESSOR, "cortex-m4")
MARGIN = 0.08
"""How much more than estimated a network's cycles may be, as a share: of 50 random networks that no rate was fitted to,
at least 95 % are nearer (`results/device/cycles.json`). Limits of cycles keep it."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A processor at a common clock, and its cycles: a share of those of one that is emulated."""

    name: str
    megahertz: int
    emulated: str
    share: float = 1.0

    def milliseconds(self, cycles: float) -> float:
        """About how long it takes for what takes so many cycles on the processor that is emulated."""
        return cycles * self.share / (1000 * self.megahertz)


CHIPS = (
    Chip(name="Cortex-M0+", megahertz=48, emulated=SMALLEST_PROCESSOR),
    Chip(name="Cortex-M4", megahertz=64, emulated="cortex-m4"),
    Chip(name="Cortex-M7", megahertz=216, emulated="cortex-m4", share=3.42 / 5.01),
    Chip(name="ESP32", megahertz=240, emulated="cortex-m4", share=3.42 / 2.10),
)
"""The last two are not emulated: theirs are a Cortex-M4's cycles by the CoreMark per megahertz that makers state."""


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

    @property
    def most_cycles(self) -> int:
        """The cycles that it is held to take where they are limited: `MARGIN` more."""
        return round(self.cycles * (1 + MARGIN))


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
    macs = work.pop("multiplications", 0)
    upright = lowered.preprocessing.macs(shape)
    rates = measured_kernels()["processors"][processor]["cycles"]
    cycles = upright * deskewing(processor)["cycles"] if upright else 0.0
    return Deployed(
        flash=memory.flash,
        ram=memory.ram,
        picture=shape[0] * shape[1] * shape[2],
        macs=macs + upright,
        cycles=round(sum(rates[part] * n for part, n in work.items()) + cycles),
    )


def milliseconds(network: nn.Module, shape: Size, bits: int = 8) -> dict[str, float]:
    """About how long a picture of `shape` (C, H, W) takes on each of CHIPS, by name; raises what `deployed` raises.

    >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    >>> list(milliseconds(network.eval(), (1, 28, 28)))
    ['Cortex-M0+', 'Cortex-M4', 'Cortex-M7', 'ESP32']
    """
    cycles = {name: deployed(network, shape, processor=name, bits=bits).cycles for name in PROCESSORS}
    return {chip.name: round(chip.milliseconds(cycles[chip.emulated]), 2) for chip in CHIPS}


def time_words(found: Mapping[str, float]) -> str:
    """The milliseconds of CHIPS, with clocks and where they come from.

    >>> time_words({"Cortex-M4": 12.34})
    '12.3 ms on a Cortex-M4 at 64 MHz, within 8 %, counted in an emulator, not on silicon'
    """
    known = [chip for chip in CHIPS if chip.name in found]
    times = ", ".join(
        f"{found[it.name]:.1f} ms on {'an' if it.name[0] == 'E' else 'a'} {it.name} at {it.megahertz} MHz"
        for it in known
    )
    scaled = [chip.name for chip in known if chip.share != 1]
    more = f"; for {' and '.join(scaled)} scaled by CoreMark" if scaled else ""
    return f"{times}, within {100 * MARGIN:g} %, counted in an emulator, not on silicon{more}"


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
    takes = {"flash": smallest.flash, "ram": smallest.ram, "cycles": faster.most_cycles}
    for name, most in budget.on_chip().items():
        if takes[name] > most:
            unit = "cycles" if name == "cycles" else f"bytes of {name}"
            raise BudgetError(
                f"The network's C program takes {takes[name]:,} {unit} by estimate"
                f"{f' and its margin of {100 * MARGIN:g} %' * (name == 'cycles')}, where its budget allows"
                f" {most:,}; make its widest layers narrower, or raise the budget."
            )


def require_c(network: nn.Module, shape: Size) -> Memory:
    """The memory that the network's C program needs for images of `shape` (C, H, W), planned from its layers alone.

    The network is not changed. Raises UsageError, naming the layer, if C has no step for one.

    >>> layers = nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    >>> require_c(nn.Sequential(*layers), (1, 8, 8)).ram
    363
    """
    try:
        return planned(outline(lower(copy.deepcopy(network).eval().cpu(), shape)))
    except UsageError as problem:
        reason = str(problem)
        raise UsageError(
            f"This network cannot be exported to C as requested: {reason[0].lower()}{reason[1:]}"
        ) from problem
