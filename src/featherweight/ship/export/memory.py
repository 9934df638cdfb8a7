"""Where the C program keeps its rows: few of each tensor at a time, in rings, made when the next layer needs them.

A convolution of three rows needs three rows of what comes before it and no more, so no tensor is ever whole. The order
of the work is found by asking for the last stage's next row and going back, along branches too, to a stage that has
what it needs; the C program does the same, and here it is rehearsed to count how many rows of each tensor must be kept.
Where each row is used up as soon as it is made, as between the two parts of a depthwise-separable convolution, all such
tensors share one place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from featherweight.ship.export.fixed_point import FixedPoint

CODE_BYTES = {"base": 700, "convolution": 420, "max": 260, "average": 340, "add": 220}
"""Estimates for Thumb code compiled for size, rounded up from what was measured; the tables are counted exactly."""
STACK_BYTES = 400
"""An estimate, rounded up from what was measured on a Cortex-M0+."""
TENSOR_BYTES, STAGE_BYTES = 12, 28
"""Of the entries of the two tables that describe the network in C."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of flash and RAM, and how many rows of each tensor are kept; the picture is the caller's."""

    rings: tuple[int, ...]
    """Rows kept of each tensor; all of the picture, which the caller holds."""
    places: tuple[int, ...]
    """Where each tensor's ring begins in the arena, some at the same place; 0 for the picture and the scores, which lie
    elsewhere."""
    arena: int
    """Bytes of all places together: the program's whole static RAM."""
    weights: int
    scaling: int
    """Bytes of biases and multipliers."""
    tables: int
    code: int
    """Estimated."""

    @property
    def flash(self) -> int:
        """Bytes of everything that does not change, code estimated."""
        return self.weights + self.scaling + self.tables + self.code

    @property
    def ram(self) -> int:
        """Bytes of everything that does, stack estimated; without the picture."""
        return self.arena + STACK_BYTES


def planned(network: FixedPoint) -> Memory:
    """The memory of the C program for this network."""
    rings = _rings(network)
    rows = [width * channels for channels, _, width in network.sizes]
    shared = _shared(_passing(network, rings))
    starts, arena = [], 0
    for number in (0, 1):
        starts.append(arena)
        arena += max([rows[tensor] for tensor, place in shared.items() if place == number], default=0)
    places = [0]
    for tensor in range(1, len(rows) - 1):
        if tensor in shared:
            places.append(starts[shared[tensor]])
        else:
            places.append(arena)
            arena += rings[tensor] * rows[tensor]
    kinds = {stage.step.kind for stage in network.stages}
    return Memory(
        rings=tuple(rings),
        places=(*places, 0),
        arena=arena,
        weights=sum(stage.weights.size for stage in network.stages),
        scaling=sum(4 * stage.bias.size + 2 * stage.multipliers.size for stage in network.stages),
        tables=TENSOR_BYTES * len(network.sizes) + STAGE_BYTES * len(network.stages),
        code=CODE_BYTES["base"] + sum(CODE_BYTES[kind] for kind in kinds),
    )


def rehearsal(network: FixedPoint) -> Iterator[tuple[int, list[int]]]:
    """The order of the work: (stage, rows of each tensor made so far), before each row is made."""
    heights = [height for _, height, _ in network.sizes]
    made = [heights[0]] + [0] * len(network.stages)
    while made[-1] < heights[-1]:
        index = len(network.stages) - 1
        while lacking := [place for place, (_, end) in _needed(network, index, made).items() if end > made[place]]:
            index = lacking[0] - 1
        yield index, made
        made[index + 1] += 1


def _needed(network: FixedPoint, index: int, made: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Of each tensor that a stage reads, the first row that it needs for its next row and the one after the last."""
    step, row = network.stages[index].step, made[index + 1]
    source, *others = step.reads(index)
    first = row * step.stride[0] - step.pad[0]
    height = network.sizes[source][1]
    return {**dict.fromkeys(others, (row, row + 1)), source: (max(0, first), min(height, first + step.kernel[0]))}


def _rings(network: FixedPoint) -> list[int]:
    rings = [network.sizes[0][1]] + [1] * len(network.stages)
    for index, made in rehearsal(network):
        for place, (first, _) in _needed(network, index, made).items():
            rings[place] = max(rings[place], made[place] - first)
    return rings


def _passing(network: FixedPoint, rings: list[int]) -> set[int]:
    """The tensors of which each row is used up by the next stage as soon as it is made, and by no other."""
    order = [index for index, _ in rehearsal(network)]
    others = {place for at, stage in enumerate(network.stages) for place in stage.step.reads(at) if place != at}
    found = {tensor for tensor in range(1, len(rings) - 1) if rings[tensor] == 1 and tensor not in others}
    for before, after in zip([-1, *order], [*order, -1], strict=True):
        if before + 1 in found and after != before + 1:  # its row waits
            found.discard(before + 1)
        if after in found and before != after - 1:  # or is read again
            found.discard(after)
    return found


def _shared(passing: set[int]) -> dict[int, int]:
    """For each of these tensors one of two places: of two in a row, one is read while the other is written."""
    places: dict[int, int] = {}
    for tensor in sorted(passing):
        places[tensor] = 1 - places.get(tensor - 1, 1)
    return places


def report(network: FixedPoint, memory: Memory) -> list[str]:
    """What it will take on a microcontroller, a line a tensor, then the sums."""
    lines = ["layer                     kind          makes (C H W)   rows kept   bytes"]
    for index, stage in enumerate(network.stages):
        channels, height, width = network.sizes[index + 1]
        last = index == len(network.stages) - 1
        kept = 0 if last else memory.rings[index + 1]
        size = f"{channels} {height} {width}"
        name = stage.step.name[-24:]
        lines.append(f"{name:<24}  {stage.step.kind:<12}  {size:<14}  {kept:9}  {kept * width * channels:6}")
    return [
        *lines,
        f"RAM: {memory.ram:,} bytes = rows {memory.arena:,} + stack about {STACK_BYTES}; the picture is the caller's",
        f"flash: {memory.flash:,} bytes = weights {memory.weights:,} + biases and multipliers {memory.scaling:,}"
        f" + tables {memory.tables:,} + code about {memory.code:,}",
    ]
