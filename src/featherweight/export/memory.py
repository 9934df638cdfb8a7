"""Where the C program keeps its rows: a few of each tensor at a time, in rings, made when the next layer needs them.

A convolution of three rows needs only three rows of its input; only a norm of each picture needs its whole map. The
order of the work is found by asking for the last stage's next row and going back, along branches too, to a stage that
has the rows it needs; the C program does the same, and it is rehearsed here to count how many rows of each tensor must
be kept. If each row is used up as soon as it is made, as between the two parts of a depthwise-separable convolution,
all such tensors share two places. A global average needs no complete map: it adds up each row as it is made, and so
does any stage whose windows share no rows, such as a 2 x 2 pool or a linear layer on a map.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from featherweight.export.fixed_point import FixedPoint, Stage, bias_bits
from featherweight.export.lowering import Step
from featherweight.export.tables import layer_table, name_of, progress_bytes, stored_weights, tensors_of, variant_of
from featherweight.networks.layers.activations import CURVES

WORTHWHILE = 64
"""Bytes of RAM that streaming must save in a stage: its code takes about as much flash."""
SMALLEST_PROCESSOR = "cortex-m0plus"
KERNELS = Path(__file__).parent / "kernels.json"
DESKEWING = Path(__file__).parent / "deskewing.json"


NORMS = {
    "cortex-m0plus": {"code": 1300, "stack": 96},
    "cortex-m4": {"code": 1310, "stack": 96},
}
"""What norms of each picture add on a processor: bytes of code, as compiled, with the division that they call, and, by
reading the listing, bytes of stack."""
ALIGNMENT = 12
"""The most bytes that lie between arrays and on the stack, so that numbers begin where a processor can read them."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of flash and RAM, and how many rows of each tensor are kept; the caller holds the picture."""

    rings: tuple[int, ...]
    """Rows kept of each tensor; for the picture, which the caller holds, all of them."""
    places: tuple[int, ...]
    """Where the ring of each tensor begins in the arena, in bytes; some share a place. 0 for the picture and the
    scores, which are stored elsewhere."""
    streams: tuple[int | None, ...]
    """For each stage that takes in every row of its input once, as it is made: the position of its first sum among all
    sums kept between rows. None for the other stages, which wait until they have all rows of a kernel."""
    turns: tuple[int, ...]
    """How many turns each stage takes for a picture. A turn makes a row, which nobody asks of the last rows that a
    later window leaves out; in a stage that streams, it takes in one row of the input."""
    requests: int
    """How often a stage is asked for a row, so that it asks another or takes its turn."""
    rows: int
    """Bytes of all places together."""
    sums: int
    """How many sums of 32 bits are kept between rows."""
    norm_groups: int
    """How many groups of channels have norms of each picture: 8 bytes each."""
    prepared: int
    """Bytes of the picture once it is deskewed; 0 where it is not."""
    weights: int
    scaling: int
    """Bytes of biases and multipliers."""
    tables: int
    code: int
    """Bytes of code, as measured for a program of the same parts."""
    stack: int
    """Bytes of stack, measured likewise, with the progress of each tensor, which is kept there."""

    @property
    def arena(self) -> int:
        """Bytes of rows, sums, statistics of norms and a deskewed picture: all static RAM of the program."""
        return self.rows + 4 * self.sums + 8 * self.norm_groups + self.prepared

    @property
    def flash(self) -> int:
        """Bytes of weights, scaling, tables and code."""
        return self.weights + self.scaling + self.tables + self.code

    @property
    def ram(self) -> int:
        """The most bytes of all that and of stack, on a Cortex-M, without the picture that is read."""
        return self.arena + self.stack + ALIGNMENT


@cache
def measured_kernels() -> dict[str, Any]:
    """Figures measured with the Arm compiler and QEMU by `benchmarks/device.py`, for every combination of parts.

    For each processor: the bytes of code and of stack by variant, and the cycles of each operation of the program.
    """
    found: dict[str, Any] = json.loads(KERNELS.read_text(encoding="utf-8"))
    return found


@cache
def deskewing(processor: str) -> dict[str, float]:
    """What deskewing adds on this processor, as `benchmarks/deskewing.py` measured it: bytes of `code` and of `stack`,
    and `cycles` for each multiply-add."""
    found: dict[str, float] = json.loads(DESKEWING.read_text(encoding="utf-8"))[processor]
    return found


def planned(network: FixedPoint, processor: str = SMALLEST_PROCESSOR) -> Memory:
    """The memory of the C program for this network, with its code and stack on this processor."""
    streams, sums = _streams(network)
    order, rings = _rehearsed(network, streams)
    rows = [width * channels for channels, _, width in network.sizes]
    shared = _shared_places(network, _passing(network, rings, order))
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
    variant = variant_of([stage.step for stage in network.stages], streams, network.bits)
    measured = measured_kernels()["processors"][processor]
    name, deskews = name_of(variant), network.preprocessing.deskew
    norm_groups = sum(stage.step.groups for stage in network.stages if stage.step.kind == "group norm")
    parts = [deskewing(processor)] * deskews + [NORMS[processor]] * (norm_groups > 0)
    more = {part: sum(int(one[part]) for one in parts) for part in ("code", "stack")}
    places.append(0)
    numbers = sum(stage.multipliers.size for stage in network.stages)
    return Memory(
        rings=tuple(rings),
        places=tuple(places),
        streams=streams,
        turns=tuple(map(Counter(order).__getitem__, range(len(network.stages)))),
        requests=_requests(network, order),
        rows=arena,
        sums=sums,
        norm_groups=norm_groups,
        prepared=math.prod(network.sizes[0]) if deskews else 0,
        weights=-(-network.bits * sum(stored_weights(stage, network.bits).size for stage in network.stages) // 8),
        scaling=(bias_bits(network.bits) // 8 + 2) * numbers,
        tables=256 * sum(stage.step.kind in CURVES for stage in network.stages)
        + tensors_of(network, places, rings).bytes
        + layer_table(network, streams).bytes,
        code=measured["code"][name] + more["code"],
        stack=measured["stack"][name]
        + more["stack"]
        + 4 * tallest(network, streams)
        + progress_bytes(variant) * len(network.sizes),
    )


def tallest(network: FixedPoint, streams: Sequence[int | None]) -> int:
    """The largest number of rows that a stage reads at a time."""
    return max(
        stage.step.kernel[0] if stream is None else 1 for stage, stream in zip(network.stages, streams, strict=True)
    )


def _streams(network: FixedPoint) -> tuple[tuple[int | None, ...], int]:
    """`Memory.streams`, and how many sums are kept in all.

    A stage can add up each row of its input as it is made if only one row of the output reads it: if its windows lie
    below each other without overlap or padding, or there is only one. A maximum is kept in the output row being made, a
    sum in 32 bits of its own.
    """
    found: list[int | None] = []
    sums = 0
    for index, stage in enumerate(network.stages):
        step = stage.step
        source = step.reads(index)[0]
        channels, _, width = network.sizes[source]
        wide, high, across = network.sizes[index + 1]
        rows = step.kernel[0]
        apart = high == 1 or step.stride[0] == rows
        needed = 0 if step.kind == "max" else wide * across
        saved = (rows - 1) * width * channels - 4 * needed
        windows = step.kind in ("convolution", "max", "average") and step.dilation[0] == 1
        if not windows or not source or step.pad[0] or step.pad[2] or not apart or saved < WORTHWHILE:
            found.append(None)
        else:
            found.append(sums if needed else 0)
            sums += needed
    return tuple(found), sums


def rehearsal(network: FixedPoint) -> Iterator[tuple[int, list[int]]]:
    """The order of the work: before each turn, the stage, and the turns that each stage has taken so far.

    A turn makes one row. In a stage that streams, it takes in one row of the input, and the last of a window's rows
    makes the row.
    """
    turns = [0] * len(network.stages)
    for index in _rehearsed(network, _streams(network)[0])[0]:
        yield index, turns
        turns[index] += 1


def _rehearsed(network: FixedPoint, streams: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """The stages in the order of their turns, and how many rows of each tensor must be kept for this order.

    The last stage is asked for its row. A stage that lacks rows asks the stage that makes them, and is asked again
    afterwards: a stack of requests, equivalent to going back from the last stage before each turn, as C does.
    """
    heights = [height for _, height, _ in network.sizes]
    made = [heights[0]] + [0] * len(network.stages)
    taken = [0] * len(network.stages)
    rings = [heights[0]] + [1] * len(network.stages)
    plans = [_plan(stage.step, index, streams[index] is not None) for index, stage in enumerate(network.stages)]
    order: list[int] = []
    asked = [len(network.stages) - 1] * heights[-1] * plans[-1][-1]
    while asked:
        index = asked[-1]
        source, other, rows, down, above, turns = plans[index]
        row = made[index + 1]
        first = row * down - above if turns == 1 else row * turns + taken[index]
        end = min(first + rows, heights[source])
        if other is not None and made[other] <= row:
            asked.append(other - 1)
        elif end > made[source]:
            asked.append(source - 1)
        else:
            asked.pop()
            order.append(index)
            rings[source] = max(rings[source], made[source] - max(0, first))
            if other is not None:
                rings[other] = max(rings[other], made[other] - row)
            taken[index] += 1
            if taken[index] == turns:
                taken[index] = 0
                made[index + 1] += 1
    return order, rings


def _requests(network: FixedPoint, order: Sequence[int]) -> int:
    """As in `Memory`: C goes back from the stage behind the last one that had its turn, along branches from the end."""
    last = len(network.stages) - 1
    branches = any(stage.step.kind == "add" for stage in network.stages)
    begun = [last, *((last if branches or one == last else one + 1) for one in order)]
    return sum(first - turn + 1 for first, turn in zip(begun, order, strict=False))


def _plan(step: Step, index: int, streams: bool) -> tuple[int, int | None, int, int, int, int]:
    """Source, other source, rows that a turn spans, stride and padding of rows, and turns per row."""
    source, *others = step.reads(index)
    rows = step.kernel[0]
    other = others[0] if others else None
    return source, other, 1 if streams else step.reach[0], step.stride[0], step.pad[0], rows if streams else 1


def _passing(network: FixedPoint, rings: list[int], order: list[int]) -> set[int]:
    """The tensors whose rows are each used up by the next stage, and by no other, as soon as they are made."""
    others = {place for at, stage in enumerate(network.stages) for place in stage.step.reads(at) if place != at}
    found = {tensor for tensor in range(1, len(rings) - 1) if rings[tensor] == 1 and tensor not in others}
    done = -1
    for turn in (*order, -1):
        if turn != done + 1:
            found.discard(done + 1)  # its row has to wait
            found.discard(turn)  # its row is read again
        done = turn
    return found


def _shared_places(network: FixedPoint, passing: set[int]) -> dict[int, int]:
    """One of two places for each of these tensors: of two successive ones, one is read while the other is written.

    A stage that makes each number from the one at the same position overwrites its input.
    """
    places: dict[int, int] = {}
    for tensor in sorted(passing):
        before = places.get(tensor - 1, 1)
        places[tensor] = before if tensor - 1 in places and _in_place(network.stages[tensor - 1]) else 1 - before
    return places


def _in_place(stage: Stage) -> bool:
    step = stage.step
    one = step.kernel == (1, 1) and step.stride == (1, 1) and not any(step.pad)
    return (
        step.kind == "add"
        or step.kind in CURVES
        or (one and len(stage.weights) == step.groups and stage.weights.shape[1] == 1)
    )


def memory_report(network: FixedPoint, memory: Memory) -> list[str]:
    """Lines of text: the memory of each tensor on a microcontroller, then the totals."""
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
        f"RAM: {memory.ram:,} bytes = rows {memory.rows:,} + sums {4 * memory.sums:,}"
        + f" + norms {8 * memory.norm_groups:,}" * (memory.norm_groups > 0)
        + f" + deskewed picture {memory.prepared:,}" * (memory.prepared > 0)
        + f" + stack about {memory.stack:,} + alignment {ALIGNMENT};"
        " the picture is the caller's",
        f"flash: {memory.flash:,} bytes = weights {memory.weights:,} + biases and multipliers {memory.scaling:,}"
        f" + tables {memory.tables:,} + code about {memory.code:,}",
    ]
