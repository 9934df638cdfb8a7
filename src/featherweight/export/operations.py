"""The operations that the C program carries out for one picture, counted from its layers as its loops run.

Each is a step of one function of the runtime that takes about the same number of cycles whenever it is carried out;
`benchmarks/cycles.py` measures how many.
"""

from collections import Counter

import numpy as np

from featherweight.export.fixed_point import FixedPoint
from featherweight.export.lowering import Size, Step
from featherweight.export.memory import Memory
from featherweight.networks.layers.activations import CURVES


def operations(network: FixedPoint, memory: Memory) -> Counter[str]:
    """How often each operation is carried out for one picture."""
    found: Counter[str] = Counter({"pictures": 1, "requests": memory.requests})
    for index, stage in enumerate(network.stages):
        step = stage.step
        source = network.sizes[step.reads(index)[0]]
        wide, _, across = network.sizes[index + 1]
        turns = memory.turns[index]
        high = turns // (step.kernel[0] if memory.streams[index] is not None else 1)
        values = wide * high * across
        found["turns"] += turns
        found["rows"] += high * step.kernel[0]
        if step.kind == "convolution":
            found += _convolution(step, source, (wide, high, across), network.bits)
            found["places"] += turns * across
            found["outputs"] += wide * across * turns
            found["stores"] += wide * across * turns
        elif step.kind == "group norm":
            found["normalized"] += values
            found["norm groups"] += step.groups
            found["norm rows"] += step.groups * high
            found["stores"] += values
        elif step.kind in CURVES:
            found["looked up"] += values
        elif step.kind == "add":
            found["sums"] += values
            found["stores"] += values
        else:
            found[f"{step.kind} outputs"] += wide * across * turns
            found[f"{step.kind} rows"] += values * step.kernel[0]
            found[f"{step.kind} inputs"] += values * step.kernel[0] * step.kernel[1]
            found["stores"] += wide * across * turns * (step.kind == "average")
    return _by_code(found, network, memory)


def _convolution(step: Step, source: Size, made: Size, bits: int) -> Counter[str]:
    """What the rows of a convolution's kernels take, each of which is one run of products or, at an edge, several."""
    channels, tall, width = source
    wide, high, across = made
    (rows, columns), inputs = step.kernel, channels // step.groups
    up, left = step.pad[0], step.pad[1]
    firsts = np.arange(across) * step.stride[1] - left
    tops = (np.arange(high) * step.stride[0] - up)[:, None] + np.arange(rows) * step.dilation[0]
    there = (tops >= 0) & (tops < tall)  # [rows made, rows of the kernel]
    under = firsts[:, None] + np.arange(columns) * step.dilation[1]
    inside = (under >= 0) & (under < width)  # [columns made, columns of the kernel]
    whole = step.dilation[1] == 1 and (step.groups == 1 or inputs == 1)
    inner = int(inside.all(1).sum()) if whole else 0
    runs, edges = int(there.sum()) * inner, rows * high * across - int(there.sum()) * inner
    parts = edges * columns
    within = int(there.sum()) * int((inside if not whole else inside[~inside.all(1)]).sum())
    found = Counter(
        {"multiplications": wide * rows * columns * inputs * high * across, "runs": wide * runs,
         "edge runs": wide * edges, "edge parts": wide * parts, "edge parts inside": wide * within,
         "groups": step.groups * high * across}
    )  # fmt: skip
    together = whole and (step.groups == 1 or channels == 1)
    for count, length, adjacent in (
        (runs, columns * inputs, together), (within, inputs, True), (parts - within, inputs, False)
    ):  # fmt: skip
        found["dots"] += wide * count
        fours = length // 4 if bits == 8 and adjacent else 0
        pairs = length // 2 if bits == 4 else 0
        found["fours"] += wide * count * fours
        found["pairs"] += wide * count * pairs
        found["singles"] += wide * count * (length - 4 * fours - 2 * pairs)
    return found


def _by_code(found: Counter[str], network: FixedPoint, memory: Memory) -> Counter[str]:
    """The same, apart for code that is compiled another way: for packed weights, branches, and sums between rows."""
    kinds = {stage.step.kind for stage in network.stages}
    by_row = any(stream is not None for stream in memory.streams)
    if network.bits < 8:
        for name in ("outputs", "runs", "edge runs", "edge parts", "dots", "singles"):
            found[f"{name}, {network.bits} bits" if name == "singles" else f"{name}, packed"] = found.pop(name, 0)
    if by_row:
        for name in ("outputs", "runs", "edge runs"):
            found[f"{name} by rows"] = found[name] + found[f"{name}, packed"]
    if memory.sums:
        found["stores and sums"] = found["stores"]
    if "add" in kinds:
        found["requests along branches"] = found.pop("requests", 0)
    return +found
