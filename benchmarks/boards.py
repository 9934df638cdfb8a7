"""The records' C, and forty candidates of `fit`, on six emulated processors: `python -m benchmarks.boards`.

Each program classifies ten pictures, as a package's check does: its scores must be Python's integers, and its stack,
measured by painting, within what is promised. `--write` saves results/device/boards.json. Records that the package has
no weights of have random ones. Needs the compilers and QEMU of `benchmarks/cortex_m.py`; the same on any machine.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import cortex_m
from benchmarks.cycles import proposed
from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import find
from featherweight.export import c_source, integers, source_of
from featherweight.export.estimate import deployed
from featherweight.export.fixed_point import quantise
from featherweight.export.lowering import lower
from featherweight.export.packages import CHECKS
from featherweight.export.source import Source
from featherweight.io import write_text
from featherweight.training.runs.trained import load_pretrained, pretrained_names

RESULT = Path(__file__).parents[1] / "results" / "device" / "boards.json"
RECORDS = (
    "cifar", "cifar-78k", "cifar-mcu", "cifar-tiny", "f3", "f4", "fashion", "fashion-20k", "fastest", "leanest",
    "leanest-150k", "leanest-deskewed-cropped", "reader", "relaxed", "smallest", "smallest-2200", "smallest-deskewed",
)  # fmt: skip
CANDIDATES = 40
PROCESSORS = (*cortex_m.BOARDS, *cortex_m.OTHERS)
MOST = 16_000_000
"""Multiply-adds of a network that is emulated."""


def record(id: str) -> Source:
    """The network of a record: with the package's weights, or with random ones and measured norms."""
    if id in pretrained_names():
        return source_of(load_pretrained(id))
    experiment = find(id)
    channels, classes = experiment.shape[0], 10
    torch.manual_seed(0)
    return made(id, experiment.build(channels, classes), experiment.shape, classes)


def candidate(seed: int) -> Source:
    """A candidate of a search, with weights of 8 or 4 bits."""
    draw = random.Random(seed)
    network, shape, classes = proposed(draw)
    return replace(made(f"candidate-{seed}", network, shape, classes), bits=draw.choice((8, 4)))


def made(id: str, network: nn.Module, shape: tuple[int, int, int], classes: int) -> Source:
    """The network with random weights, whose norms have seen noise."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what follows
    with torch.no_grad():
        network.train()(torch.randn(32, *shape))
    return Source(name=id.replace("-", "_"), network=network.eval(), shape=shape,
                  classes=tuple(f"c{n}" for n in range(classes)), mean=(0.5,) * shape[0], std=(0.25,) * shape[0],
                  experiment=id, seed=0, parameters=0, accuracy=0.0, tested="no images")  # fmt: skip


def sources() -> Iterator[Source]:
    """What is emulated: the records, then candidates that can be exported."""
    yield from map(record, RECORDS)
    found = seed = 0
    while found < CANDIDATES:
        try:
            of = candidate(seed)
            cost = deployed(of.network, of.shape, bits=of.bits)
        except (FeatherweightError, RuntimeError, ValueError):
            cost = None  # its maps shrink to nothing
        if cost and cost.ram + 2 * cost.picture < cortex_m.board("cortex-m0plus").ram:
            found += 1
            yield of
        seed += 1


def noise(shape: Sequence[int]) -> Tensor:
    """A check's pictures."""
    draws = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (CHECKS, *shape), generator=draws, dtype=torch.uint8)


def measured(of: Source, processors: Sequence[str] = PROCESSORS) -> dict[str, Any]:
    """For each processor: instructions of the check, stack, static RAM and flash; AssertionError for a wrong score."""
    given = noise(of.shape)
    fixed = quantise(lower(of.network, of.shape, of.bits), given, of.mean, of.std)
    expected = integers.integer_scores(fixed, given)
    found: dict[str, Any] = {"network": of.experiment, "bits": of.bits}
    promised = deployed(of.network, of.shape, bits=of.bits)
    found |= {"macs": promised.macs, "promised_ram": promised.ram, "processors": {}}
    with TemporaryDirectory() as scratch:
        for path, text in c_source.source_files(of, fixed, "noise").items():
            (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(Path(scratch) / path, text)
        program = cortex_m.Program(Path(scratch), of.name)
        for cpu in processors:
            if promised.ram + promised.picture > cortex_m.board(cpu).ram - 1500 or promised.macs > MOST:
                continue  # the board has not so much RAM
            sizes = cortex_m.sizes(program, cpu)
            ran = cortex_m.emulated(program, cpu, given.permute(0, 2, 3, 1).numpy(), classes=expected.shape[1])
            assert (ran["scores"] == expected).all(), (of.experiment, cpu)
            found["processors"][cpu] = {
                "check_instructions": ran["total"], "flash": sizes["flash"], "ram": sizes["ram"] + ran["stack"]
            }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="save the record")
    write = parser.parse_args().write
    if missing := {name for cpu in PROCESSORS for name in cortex_m.lacking(cpu)}:
        sys.exit(f"missing: {', '.join(sorted(missing))}")
    rows = []
    for row in map(measured, sources()):
        print(
            row["network"],
            row["bits"],
            row["promised_ram"],
            {cpu: one["ram"] for cpu, one in row["processors"].items()},
        )
        rows.append(row)
    if write:
        write_text(RESULT, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
