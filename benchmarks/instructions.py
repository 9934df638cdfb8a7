"""Instructions of the C program on Cortex-M, as it is and with NAME_FAST: `python -m benchmarks.instructions`.

`--write` saves results/device/instructions.json. f3, leanest and smallest have the package's weights, also with 4 bits;
the others have random ones, since instructions hardly depend on them. Needs the Arm compiler, QEMU and MNIST; the same
on any machine.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import cortex_m
from featherweight import data as datasets
from featherweight import dissect
from featherweight.experiments.experiment import find
from featherweight.export import c_source, integers, source_of
from featherweight.export.fixed_point import quantise
from featherweight.export.lowering import lower
from featherweight.export.source import Source
from featherweight.io import write_text
from featherweight.training.runs.trained import load_pretrained, pretrained_names

RESULT = Path(__file__).parents[1] / "results" / "device" / "instructions.json"
NETWORKS = (
    ("f3", 8),
    ("leanest", 8),
    ("smallest", 8),
    ("h3", 8),
    ("cifar", 8),
    ("cifar-mcu", 8),
    ("f3", 4),
    ("smallest", 4),
)
"""Names, and bits of a weight."""
READ = 3
"""Pictures given to each emulated processor."""


def source(name: str) -> Source:
    """The network to export: the package's, or that of an experiment with random weights and measured norms."""
    if name in pretrained_names():
        return source_of(load_pretrained(name))
    torch.manual_seed(0)
    network = find(name).build(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what follows
    with torch.no_grad():
        network.train()(torch.randn(64, 3, 32, 32))
    like = source_of(load_pretrained("f3"))
    return replace(
        like, name=name.replace("-", "_"), network=network.eval(), shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3
    )


def pictures(shape: tuple[int, int, int]) -> Tensor:
    """MNIST's first test digits, or noise where the network takes colours."""
    if shape[0] == 1:
        return datasets.load("mnist").test.images[:50]
    return torch.randint(0, 256, (50, *shape), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def measured(name: str, bits: int) -> dict[str, Any]:
    """For each processor, option and version: instructions a picture, flash and RAM; scores must be the integers'."""
    of = replace(source(name), bits=bits)
    given = pictures(of.shape)
    fixed = quantise(lower(of.network, of.shape, bits), given, of.mean, of.std)
    expected = integers.integer_scores(fixed, given[:READ])
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for path, text in c_source.source_files(of, fixed, "pictures").items():
            (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(Path(scratch) / path, text)
        for cpu in cortex_m.BOARDS:
            for level in ("-Os", "-O2"):
                for fast in (False, True):
                    macros = (f"{of.name.upper()}_FAST",) if fast else ()
                    program = cortex_m.Program(Path(scratch), of.name, macros)
                    sizes = cortex_m.sizes(program, cpu, level)
                    if sizes["ram"] > cortex_m.board(cpu).ram // 2:
                        continue  # the emulated board has not so much
                    found = cortex_m.emulated(program, cpu, given[:READ].permute(0, 2, 3, 1).numpy(), level)
                    assert (found["scores"] == expected).all(), (name, bits, cpu, level, fast)
                    rows.append({"cpu": cpu, "level": level, "fast": fast, "instructions": found["instructions"],
                                 "flash": sizes["flash"], "ram": sizes["ram"]})  # fmt: skip
                    print(name, bits, rows[-1], flush=True)
    return {"macs": dissect(of.network, of.shape).macs, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="save the record")
    write = parser.parse_args().write
    found = {name if bits == 8 else f"{name}, {bits} bits": measured(name, bits) for name, bits in NETWORKS}
    if write:
        write_text(RESULT, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
