"""What deskewing adds to the C program on Cortex-M: `python -m benchmarks.deskewing` writes export/deskewing.json.

A network is compiled with and without it, for the same pictures; the differences are its bytes of code and stack, and
its cycles for each of its multiply-adds, as `benchmarks.timing` counts them. Needs what `benchmarks.cortex_m` needs.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks import cortex_m, timing
from benchmarks.device import PROCESSORS, written
from featherweight import Deskew
from featherweight.experiments.augmentation import deskewing_macs
from featherweight.export.memory import DESKEWING
from featherweight.io import write_text

SHAPE = (1, 28, 28)


def measured(cpu: str, deskews: bool) -> tuple[int, int, int]:
    """Bytes of flash and of stack, and cycles, of a small network on a leaning stroke."""
    first = [Deskew()] if deskews else []
    network = nn.Sequential(*first, nn.Conv2d(1, 4, 3, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 81, 10)).eval()
    stroke = np.maximum(0, 255 - 60 * np.abs(np.arange(28) + np.arange(28)[:, None] * 0.4 - 18)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as scratch:
        _, program = written(network, SHAPE, 10, Path(scratch))
        picture = stroke[:, :, None]
        stack = cortex_m.emulated(program, cpu, picture[None])["stack"]
        cycles = sum(timing.cycles(program, cpu, picture).values())
        return cortex_m.sizes(program, cpu)["flash"], stack, cycles


def measure() -> dict[str, Any]:
    """The differences, by processor."""
    found = {}
    for cpu in PROCESSORS:
        code, stack, cycles = (
            one - other for one, other in zip(measured(cpu, True), measured(cpu, False), strict=True)
        )
        found[cpu] = {"code": code, "stack": max(0, stack), "cycles": round(cycles / deskewing_macs(*SHAPE[1:]), 3)}
    return found


if __name__ == "__main__":
    table = measure()
    write_text(DESKEWING, json.dumps(table, indent=1) + "\n")
    print(json.dumps(table))
