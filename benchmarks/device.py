"""How near the estimates of flash and RAM are: `python -m benchmarks.device` tells, `--write` saves it.

`--measure` measures code and stack of every combination of the C program's parts anew, and writes the package's table
of them, `export/kernels.json`; do so after a change to the C program, and then `python -m benchmarks.cycles --trace`.
Needs the Arm compiler and QEMU.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import cortex_m
from featherweight.export import c_source
from featherweight.export.estimate import PROCESSORS, deployed
from featherweight.export.fixed_point import FixedPoint, outline, quantise
from featherweight.export.lowering import lower
from featherweight.export.memory import KERNELS, measured_kernels, planned, tallest
from featherweight.export.source import Source
from featherweight.export.tables import Variant, all_variants, name_of, progress_bytes, variant_of
from featherweight.networks.layers.blocks import Residual, Sum, conv_norm_relu, residual_norm_relu, separable_norm_relu

RESULT = Path(__file__).parents[1] / "results" / "device" / "estimate.json"
NETWORKS, EMULATED = 200, 40
"""Networks whose flash is compared; and of them, so many whose stack is."""
PACKED = 4
"""Bits of packed weights for which code and stack are measured; for 2 they differ by a constant in the code."""
Shape = tuple[int, int, int]


def drawn(seed: int, largest: int = 64) -> tuple[nn.Module, Shape, int]:
    """A network of random layers, the shape of its pictures and its number of classes."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    channels, side, classes = draw.choice((1, 1, 3)), draw.randint(8, largest), draw.randint(2, 43)
    shape = (channels, side, min(largest, max(8, side + draw.choice((0, 0, 0, -5, 7)))))
    width = draw.randint(4, 20)
    layers: list[nn.Module] = [
        draw.choice((
            lambda: conv_norm_relu(channels, width, padding=draw.choice((0, 1))),
            lambda: nn.Sequential(nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.ReLU()),
            lambda: nn.Sequential(nn.Conv2d(channels, width, 5, padding=2), nn.BatchNorm2d(width), nn.ReLU6()),
        ))()
    ]  # fmt: skip
    for _ in range(draw.randint(1, 6)):
        wider = width + draw.randint(0, 8)
        block = draw.choice(("plain", "separable", "residual", "strided", "kept", "max", "average", "dilated", "silu"))
        high, wide = sides(layers, shape)
        if min(high, wide) < 6:
            break
        if block == "plain":
            layers.append(conv_norm_relu(width, wider, padding=draw.choice((0, 1))))
        elif block == "separable":
            layers.append(separable_norm_relu(width, wider, padding=draw.choice((0, 1))))
        elif block in ("residual", "strided"):
            layers.append(residual_norm_relu(width, wider, stride=1 + (block == "strided")))
        elif block == "kept":
            layers.append(Residual(separable_norm_relu(width, width, padding=1)))
        elif block in ("dilated", "silu"):
            apart = 1 + (block == "dilated")
            act = nn.SiLU() if block == "silu" else nn.Hardswish() if draw.random() < 0.5 else nn.ReLU()
            layers += [nn.Conv2d(width, width, 3, padding=apart, dilation=apart), act]
        else:
            pool = nn.MaxPool2d if block == "max" else nn.AvgPool2d
            layers.append(pool(*draw.choice(((2, 2), (3, 2)))))
        width = wider if block in ("plain", "separable", "residual", "strided") else width
    high, wide = sides(layers, shape)
    layers += draw.choice((
        lambda: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)],
        lambda: [nn.Conv2d(width, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        lambda: [nn.MaxPool2d(min(3, high, wide)), nn.Flatten(),
                 nn.Linear(width * (high // min(3, high, wide)) * (wide // min(3, high, wide)), classes)],
    ))()  # fmt: skip
    return nn.Sequential(*layers).eval(), shape, classes


def sides(layers: Sequence[nn.Module], shape: Shape) -> tuple[int, int]:
    """Height and width of what these layers make of a picture."""
    with torch.no_grad():
        made = nn.Sequential(*layers).eval()(torch.zeros(1, *shape))
    return made.shape[2], made.shape[3]


def with_parts(variant: Variant) -> tuple[nn.Module, Shape, int]:
    """A network that needs these parts of the C program and no other."""
    torch.manual_seed(1)
    layers: list[nn.Module] = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()]
    dilation = 1 + ("dilated" in variant)
    layers += [nn.Conv2d(8, 8, 3, padding=dilation, dilation=dilation), nn.SiLU() if "table" in variant else nn.ReLU()]
    layers += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    if "add" in variant:
        layers.append(Sum(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1)))
    if "max" in variant:
        layers.append(nn.MaxPool2d(*((2, 2) if "rows" in variant else (3, 2))))
    if "average" in variant:
        layers.append(nn.AvgPool2d(3, 1))
    high, wide = sides(layers, (1, 20, 20))
    if "sums" in variant:
        end = [nn.AdaptiveAvgPool2d(1)] if "average" in variant else [nn.Conv2d(8, 8, (high, wide))]
        return nn.Sequential(*layers, *end, nn.Flatten(), nn.Linear(8, 10)).eval(), (1, 20, 20), 10
    layers += [nn.Conv2d(8, 8, 3, stride=4)]
    high, wide = sides(layers, (1, 20, 20))
    # Kernels of one row and one column each, so that nothing is worth a sum.
    layers += [nn.Conv2d(8, 8, (1, wide)), nn.Conv2d(8, 2, 1), nn.Flatten(), nn.Linear(2 * high, 10)]
    return nn.Sequential(*layers).eval(), (1, 20, 20), 10


def written(
    network: nn.Module, shape: Shape, classes: int, where: Path, bits: int = 8
) -> tuple[FixedPoint, cortex_m.Program]:
    """The network in integers, with weights of so many bits, and its C program in this folder."""
    source = Source(name="net", network=network, shape=shape, classes=tuple(f"c{n}" for n in range(classes)),
                    mean=(0.4,) * shape[0], std=(0.3,) * shape[0], experiment="net", seed=0, parameters=0,
                    accuracy=0.0, tested="no images")  # fmt: skip
    with torch.no_grad():
        fixed = quantise(lower(network, shape, bits), noise(4, shape), source.mean, source.std)
    for name, text in c_source.source_files(source, fixed, "noise").items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    return fixed, cortex_m.Program(where, "net")


def noise(count: int, shape: Shape) -> Tensor:
    """Random pictures, uint8 [N C H W]."""
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def measured(
    network: nn.Module, shape: Shape, classes: int, cpu: str, stack: bool = True, bits: int = 8
) -> dict[str, Any]:
    """What the compiler and QEMU say of a network."""
    with tempfile.TemporaryDirectory() as scratch:
        fixed, program = written(network, shape, classes, Path(scratch), bits)
        found = {**cortex_m.sizes(program, cpu), "fixed": fixed}
        if stack:
            one = noise(1, shape).permute(0, 2, 3, 1).contiguous().numpy()
            found |= cortex_m.emulated(program, cpu, one, classes=classes)
        return found


def measure() -> dict[str, Any]:
    """The table of `kernels.json`."""
    names = [name_of(variant) for variant in all_variants()]
    before = json.loads(KERNELS.read_text(encoding="utf-8"))["processors"]
    about: dict[str, Any] = {
        "compiler": _first_line(cortex_m.COMPILER), "options": "-Os", "emulator": _first_line(cortex_m.EMULATOR),
        "processors": {
            cpu: {"code": dict.fromkeys(names, 0), "stack": dict.fromkeys(names, 0), "cycles": before[cpu]["cycles"]}
            for cpu in PROCESSORS
        },
    }  # fmt: skip
    _keep(about)
    todo = [(variant, cpu) for cpu in PROCESSORS for variant in all_variants()]
    with ProcessPoolExecutor() as pool:
        for (variant, cpu), (code, stack) in zip(todo, pool.map(_parts, *zip(*todo, strict=True)), strict=True):
            print(cpu, name_of(variant), code, stack, flush=True)
            about["processors"][cpu]["code"][name_of(variant)] = code
            about["processors"][cpu]["stack"][name_of(variant)] = stack
    _keep(about)
    return about


def _keep(about: dict[str, Any]) -> None:
    KERNELS.write_text(json.dumps(about, indent=1) + "\n")
    measured_kernels.cache_clear()


def _parts(variant: Variant, cpu: str) -> tuple[int, int]:
    """Bytes of code and of stack beyond what is counted exactly."""
    network, shape, classes = with_parts(variant)
    bits = PACKED if "packed" in variant else 8
    plan = planned(outline(lower(network, shape, bits)))
    found = measured(network, shape, classes, cpu, bits=bits)
    fixed = found["fixed"]
    assert variant_of([stage.step for stage in fixed.stages], plan.streams, bits) == variant, variant
    counted = 4 * tallest(fixed, plan.streams) + progress_bytes(variant) * len(fixed.sizes)
    return found["flash"] - plan.weights - plan.scaling - plan.tables, found["stack"] - counted


def compared() -> dict[str, Any]:
    """The estimates against the compiler over random networks, on the smallest processor and the other."""
    about: dict[str, Any] = {
        "compiler": measured_kernels()["compiler"],
        "emulator": measured_kernels()["emulator"],
        "networks": NETWORKS,
    }
    for cpu in PROCESSORS:
        flash, ram, times = [], [], []
        for seed in range(NETWORKS):
            network, shape, classes = drawn(seed)
            begun = time.perf_counter()
            said = deployed(network, shape, classes, cpu)
            times.append(1000 * (time.perf_counter() - begun))
            fits = said.ram + said.picture + 2 * classes < cortex_m.board(cpu).ram - 1500 and said.macs < 3_000_000
            found = measured(network, shape, classes, cpu, stack=fits and len(ram) < EMULATED)
            flash.append(said.flash / found["flash"] - 1)
            if "stack" in found:
                ram.append(said.ram / (found["ram"] + found["stack"]) - 1)
        about[cpu] = {
            "flash": _errors(flash), "ram": _errors(ram),
            "milliseconds_median": round(float(np.median(times)), 2),
        }  # fmt: skip
    return about


def _errors(errors: Sequence[float]) -> dict[str, Any]:
    """In percent of the truth."""
    percent = 100 * np.array(errors)
    return {
        "networks": len(errors), "lowest": round(float(percent.min()), 2), "highest": round(float(percent.max()), 2),
        "mean": round(float(np.abs(percent).mean()), 2), "within_5_percent": int((np.abs(percent) <= 5).sum()),
    }  # fmt: skip


def _first_line(command: str) -> str:
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the kernels and write the package's table")
    parser.add_argument("--write", action="store_true", help="save the figures under results/device")
    given = parser.parse_args()
    if cortex_m.MISSING:
        sys.exit(cortex_m.HOW_TO_GET)
    if given.measure:
        measure()
    text = json.dumps(compared(), indent=1) + "\n"
    print(text)
    if given.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
