"""Cycles of the C program against what its layers say: `python -m benchmarks.cycles`.

`--trace` follows every instruction of random networks on both processors, which needs the Arm compiler and QEMU, and
saves the cycles of each function of C as results/device/cycles.json. Then, and without it at once, each operation is
given its rate by the first networks, in the package's table `export/kernels.json`; printed is how near they come on the
others.
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import nn

from benchmarks import timing
from benchmarks.device import Shape, drawn, noise, sides, written
from featherweight.errors import FeatherweightError, UsageError
from featherweight.export.estimate import MARGIN, PROCESSORS
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import lower
from featherweight.export.memory import KERNELS, measured_kernels, planned
from featherweight.export.operations import operations
from featherweight.io import write_text
from featherweight.networks.architecture import build_layers
from featherweight.networks.layers.blocks import conv_norm_relu
from featherweight.search.fit.candidate import BLOCKS, Candidate, candidate_layers

RESULT = Path(__file__).parents[1] / "results" / "device" / "cycles.json"
FITTED, TWO_BITS, HELD_OUT = 200, 10, 50
"""Networks that rates are fitted to; so many of those once more with weights of 2 bits; and others."""
FEWEST, MOST = 2_000, 40_000
"""Multiplications of a network that is followed."""


def sample(seed: int, bits: int = 0) -> tuple[nn.Module, Shape, int, int]:
    """A network such as `fit` proposes or people write, with its pictures' shape, classes and bits of a weight."""
    draw = random.Random(seed)
    drawn_bits = draw.choice((8, 8, 4))
    kind = seed % 5
    if kind < 2:
        network, shape, classes = proposed(draw)
    elif kind == 2:
        network, shape, classes = normed(draw)
    else:
        network, shape, classes = drawn(seed, 16)
    return network, shape, classes, bits or drawn_bits


def proposed(draw: random.Random) -> tuple[nn.Module, Shape, int]:
    """A candidate of a search."""
    stages = draw.choice((1, 1, 2, 2, 3))
    depths = tuple(draw.randint(1, 3) for _ in range(stages))
    pool = draw.random() < 0.6
    genes = Candidate(
        block=draw.choice(BLOCKS), stem=draw.randint(2, 12), kernel=draw.choice((3, 3, 5)), stem_pool=pool,
        stem_stride=1 if pool else draw.choice((1, 2)), widths=tuple(draw.randint(3, 20) for _ in range(stages)),
        depths=depths, strided=draw.random() < 0.5, shrink=draw.randint(0, depths[-1]),
    )  # fmt: skip
    channels, side, classes = draw.choice((1, 1, 3)), draw.randint(10, 28), draw.randint(2, 43)
    torch.manual_seed(draw.randrange(1 << 30))
    return build_layers(candidate_layers(genes), channels, classes).eval(), (channels, side, side), classes


def normed(draw: random.Random) -> tuple[nn.Module, Shape, int]:
    """A network as a course teaches them, with norms of each picture or without, and linear layers at the end."""
    channels, side, classes = draw.choice((1, 1, 3)), draw.randint(8, 20), draw.randint(2, 20)
    torch.manual_seed(draw.randrange(1 << 30))
    width = 4 * draw.randint(1, 4)
    layers: list[nn.Module] = [conv_norm_relu(channels, width, padding=draw.choice((0, 1)))]
    for _ in range(draw.randint(1, 2)):
        high, wide = sides(layers, (channels, side, side))
        if high < 6:
            break
        groups = draw.choice((1, 2, 4, width))
        norm = draw.choice((nn.GroupNorm(groups, width), nn.LayerNorm([width, high, wide]), nn.Identity()))
        layers += [norm, draw.choice((nn.ReLU(), nn.GELU("tanh"), nn.Sigmoid(), nn.Hardswish()))]
        depthwise = draw.random() < 0.4
        layers += [
            nn.Conv2d(width, width, 3, padding=draw.choice((0, 1)), groups=width if depthwise else draw.choice((1, 2)))
        ]
        layers += draw.choice(([nn.ReLU(), nn.MaxPool2d(2)], [nn.ReLU6()], [nn.AvgPool2d(2)]))
    high, wide = sides(layers, (channels, side, side))
    middle = draw.choice((0, 0, 8, 24))
    layers += [nn.Flatten(), nn.Linear(width * high * wide, middle or classes)]
    layers += [nn.ReLU(), nn.Linear(middle, classes)] if middle else []
    return nn.Sequential(*layers).eval(), (channels, side, side), classes


def seeds() -> Iterator[int]:
    """Seeds of networks that can be exported and are small enough to follow."""
    for seed in count():
        try:
            network, shape, _, bits = sample(seed)
            integers = outline(lower(network, shape, bits))
            multiplications = operations(integers, planned(integers))["multiplications"]
        except (FeatherweightError, RuntimeError, ValueError):
            continue  # its map shrinks to nothing, or it has a number that C does not hold
        if FEWEST <= multiplications <= MOST:
            yield seed


def traced(seed: int, cpu: str, bits: int = 0) -> dict[str, int]:
    """The cycles of each function of C on a picture of noise."""
    network, shape, classes, bits = sample(seed, bits)
    with tempfile.TemporaryDirectory() as scratch:
        _, program = written(network, shape, classes, Path(scratch), bits)
        found = timing.cycles(program, cpu, noise(1, shape)[0].permute(1, 2, 0).contiguous().numpy())
    return {name.split(".")[0]: cycles for name, cycles in sorted(found.items())}


SPENT = {
    "dot": ("singles", "singles, 4 bits", "singles, 2 bits", "fours", "pairs", "dots", "dots, packed"),
    "convolve_any": (
        "outputs", "outputs, packed", "outputs by rows", "runs", "runs, packed", "runs by rows", "edge runs",
        "edge runs, packed", "edge runs by rows", "edge parts", "edge parts, packed", "edge parts inside", "places",
        "groups",
    ),
    "store": ("stores", "stores and sums"),
    "pool": ("max outputs", "max rows", "max inputs", "average outputs", "average rows", "average inputs"),
    "add": ("sums",),
    "look_up": ("looked up",),
    "normalize": ("normalized", "norm rows"),
    "measure_group": ("norm groups", "normalized"),
    "square_root": ("norm groups",),
    "divide": ("norm rows",),
    "": ("pictures", "turns", "requests", "requests along branches", "rows"),
}  # fmt: skip
"""The operations that each function of C spends its cycles on; of all others together under no name."""
_LIBRARY = ("__aeabi_uldivmod", "__udivmoddi4", "__clzdi2", "__clzsi2", "__aeabi_lmul")
"""The compiler's own functions, of which norms call the one for division and, on a Cortex-M0+, that for products."""
Row = tuple[dict[str, int], dict[str, int]]
"""What a network's operations are, and the cycles of each function."""


def trace() -> dict[str, Any]:
    """The record: each network's seed, and the cycles of each function on each processor."""
    found: list[dict[str, Any]] = []
    for seed in seeds():
        try:
            found.append({"seed": seed, **{cpu: traced(seed, cpu) for cpu in PROCESSORS}})
        except UsageError as problem:  # random weights may give numbers that no byte holds
            print(seed, problem, flush=True)
            continue
        print(len(found), seed, flush=True)
        if len(found) == FITTED + HELD_OUT:
            break
    two = [
        {"seed": it["seed"], "bits": 2, **{cpu: traced(it["seed"], cpu, 2) for cpu in PROCESSORS}}
        for it in found[:TWO_BITS]
    ]
    about = {"compiler": measured_kernels()["compiler"], "emulator": measured_kernels()["emulator"]}
    return {**about, "options": "-Os", "fitted": TWO_BITS + FITTED, "networks": [*two, *found]}


def rows(record: dict[str, Any], cpu: str) -> list[Row]:
    """Of each network of the record, its operations and its functions' cycles, under the names of `SPENT`."""
    found = []
    for one in record["networks"]:
        network, shape, _, bits = sample(one["seed"], one.get("bits", 0))
        integers = outline(lower(network, shape, bits))
        work = operations(integers, planned(integers, cpu))
        work.pop("multiplications")
        spent: Counter[str] = Counter()
        for name, cycles in one[cpu].items():
            called = "normalize" if name == "__aeabi_lmul" else "divide" if name in _LIBRARY else name
            spent[called if called in SPENT else ""] += cycles
        found.append((dict(work), dict(spent)))
    return found


def rates(of: Sequence[Row]) -> dict[str, float]:
    """Cycles of each operation: for each function least squares over these networks, none below zero."""
    unknown = {*SPENT} - {name for _, spent in of for name in spent}
    assert not unknown, f"No function of the C program is called {', '.join(sorted(unknown))}."
    found: Counter[str] = Counter()
    weight = 1 / np.array([sum(spent.values()) for _, spent in of])
    for function, names in SPENT.items():
        table = np.array([[work.get(name, 0) for name in names] for work, _ in of]) * weight[:, None]
        wanted = np.array([spent.get(function, 0) for _, spent in of]) * weight
        scale = np.where(table.max(0) > 0, table.max(0), 1)
        for name, value in zip(names, nnls(table / scale, wanted)[0] / scale, strict=True):
            found[name] += float(value)
    return {name: round(value, 3) for name, value in sorted(found.items())}


def errors(of: Sequence[Row], by: dict[str, float]) -> NDArray[np.float64]:
    """How far each network's estimate is from its cycles, as a share of these."""
    said = np.array([sum(by[name] * count for name, count in work.items()) for work, _ in of])
    found: NDArray[np.float64] = said / np.array([sum(spent.values()) for _, spent in of]) - 1
    return found


def fit(record: dict[str, Any]) -> None:
    """Write the rates of the first networks into the package's table; into the record, how near the others come."""
    about = json.loads(KERNELS.read_text(encoding="utf-8"))
    record["held_out"] = {}
    for cpu in PROCESSORS:
        of = rows(record, cpu)
        about["processors"][cpu]["cycles"] = by = rates(of[: record["fitted"]])
        off = errors(of[record["fitted"] :], by)
        record["held_out"][cpu] = [round(100 * float(one), 2) for one in off]
        print(cpu, f"{(abs(off) <= MARGIN).sum()} of {len(off)} within {MARGIN:.0%}, the farthest {abs(off).max():.2%}")
    write_text(KERNELS, json.dumps(about, indent=1) + "\n")
    write_text(RESULT, json.dumps(record).replace('{"seed"', '\n{"seed"') + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", action="store_true", help="follow the networks and save the record")
    fit(trace() if parser.parse_args().trace else json.loads(RESULT.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
