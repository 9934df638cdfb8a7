"""The table of engines: `python -m benchmarks.engine` prints it; `--write` also saves its figures and docs/speed.md.

Native kernels, eager PyTorch, torch.compile and other frameworks, in one run. An epoch is that of the training loop:
60,000 images of the set's size in batches of 128 with augmentation (omitted for other frameworks), forward and backward
pass, optimiser and moving average. All take turns in short stretches, so that other load affects them equally.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from docs.build.rendering import with_part_between
from torch import nn

from benchmarks import peers
from featherweight import engine as engines
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.recipe import Augment, Recipe
from featherweight.io import write_text
from featherweight.networks.layers.blocks import conv_norm_relu
from featherweight.training.bench import BF16, CPU, EAGER, IMAGES, NATIVE, SHAPE, available, engine_of, training_steps
from featherweight.training.runs.environment import describe_environment

ROOT = Path(__file__).parents[1]
RESULT, PAGE = ROOT / "results" / "bench" / "engine.json", ROOT / "docs" / "speed.md"
_BY = "table, written by `python -m benchmarks.engine --write`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
BATCH = 128
STRETCHES = 8
"""Turns that each engine takes; the median counts."""
RECIPE = Recipe(
    epochs=1000,
    batch=BATCH,
    lr=0.02,
    weight_decay=2e-4,
    augment=Augment(rotate_deg=8, shift_px=2.24, scale=0.1, shear=0.1),
    average=0.998,
)


def wider(width: int) -> nn.Sequential:
    """A plain stack of convolutions with its channels multiplied by `width`; 7,570 parameters at width 1."""
    a, b, c = 8 * width, 12 * width, 14 * width
    return nn.Sequential(
        conv_norm_relu(1, a), conv_norm_relu(a, b), nn.MaxPool2d(2), conv_norm_relu(b, b), conv_norm_relu(b, c),
        conv_norm_relu(c, c), conv_norm_relu(c, c), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10),
    )  # fmt: skip


NETWORKS: dict[str, Experiment] = {
    name: find(name) for name in ("f3", "smallest", "relaxed", "leanest", "c3", "cifar-78k")
}
"""The networks that hold the records, the exercise's last one, and a residual one for colour pictures."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time of one engine on one network."""

    network: str
    engine: str
    threads: int
    batch: int
    side: int
    """Height and width of the images, in pixels."""
    seconds: float
    """Seconds per epoch, from the median stretch."""
    spread: float
    """Time of the slowest stretch over that of the fastest."""


def measure(
    *, steps: int = 48, scaling: bool = True, tell: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Every figure of the table as plain values; each engine is timed over `steps` steps and scaled to an epoch.

    An epoch has 469 steps; fewer take less time and give a less certain figure. `tell` is called with a line about each
    measurement as it starts.
    """
    threads = sorted({1, min(2, engines.processors())})
    timings: list[Timing] = []
    for name, experiment in NETWORKS.items():
        tell(f"{name}: an epoch")
        shape = experiment.shape
        recipe = RECIPE if shape == SHAPE else replace(RECIPE, augment=experiment.recipe.augment)
        runs: dict[tuple[str, int], Iterator[object]] = {}
        for kind, n in product(available(), threads):
            runs[kind, n] = training_steps(kind, experiment.build(), recipe, n, shape=shape)
        for peer, n in product(peers.installed(), threads):
            runs[peer, n] = peers.steps(peer, experiment.build(), n, BATCH, shape)
        timings += _in_turn(name, runs, steps, BATCH, shape[-1])
    return {
        "environment": describe_environment(CPU, max(threads)) | {"peers": peers.versions()},
        "steps": steps,
        "peak": {str(n): max(engines.peak(n, 0.1) for _ in range(10)) for n in threads},
        "epochs": [asdict(timing) for timing in timings],
        "convolutions": _convolution_shares(threads, tell),
        "scaling": [asdict(timing) for timing in (_scaling(tell) if scaling else [])],
        "cuda": _cuda(steps) if torch.cuda.is_available() else None,
    }


def _in_turn(
    name: str, runs: dict[tuple[str, int], Iterator[object]], steps: int, batch: int, side: int
) -> list[Timing]:
    """Time the runs in turn, in short stretches of steps; the first stretch of each is a warm-up and not counted."""
    each = max(1, steps // STRETCHES)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    for stretch in range(STRETCHES + 1):
        for key, run in runs.items():
            torch.set_num_threads(1 if key[0] in (NATIVE, BF16) else key[1])
            started = time.perf_counter()
            for _ in range(each):
                next(run)
            if stretch:
                times[key].append((time.perf_counter() - started) / each)
    return [
        Timing(
            network=name, engine=kind, threads=threads, batch=batch, side=side,
            seconds=statistics.median(taken) * IMAGES / batch, spread=max(taken) / min(taken),
        )
        for (kind, threads), taken in times.items()
    ]  # fmt: skip


def _convolution_shares(threads: list[int], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Throughput of the convolutions alone as a fraction of the machine's peak, counting multiply-adds both as defined
    and as executed."""
    shares = []
    for name, experiment in NETWORKS.items() if engines.peak(1, 0.01) else ():
        for n in threads:
            tell(f"{name}: convolutions alone, {n} thread(s)")
            found = engines.convolutions(experiment.build(), shape=experiment.shape, batch=BATCH, threads=n)
            top = max(engines.peak(n, 0.1) for _ in range(10))
            shares.append(
                {"network": name, "threads": n, "seconds": found.seconds, "plain": found.plain / found.seconds / top,
                 "executed": found.executed / found.seconds / top}
            )  # fmt: skip
    return shares


def _scaling(tell: Callable[[str], None]) -> Iterator[Timing]:
    """Timings of bare engine steps on one thread, native and eager, as batch size, width and image side grow."""
    sizes = [(1, batch, 28) for batch in (16, 64, 128, 256, 1024)]
    sizes += [(width, 128, 28) for width in (2, 4, 8)] + [(1, 128, side) for side in (32, 64)]
    for width, batch, side in sizes:
        tell(f"stack x{width}, batch {batch}, side {side}")
        network = wider(width)
        runs = {(kind, 1): _alone(kind, network, batch, side) for kind in available()[:2]}
        yield from _in_turn(f"stack x{width}", runs, STRETCHES, batch, side)


def _alone(kind: str, network: nn.Module, batch: int, side: int) -> Iterator[object]:
    bound = engine_of(kind, network, RECIPE, batch, (1, side, side), 1, CPU)
    images, labels = torch.rand(batch, 1, side, side), torch.arange(batch) % 10
    while True:
        yield bound.step(images, labels, 0)


def _cuda(steps: int) -> dict[str, Any]:
    """The time of fifteen epochs of the stack on the GPU, extrapolated from `steps` steps."""
    device = torch.device("cuda")
    run = training_steps("cuda", wider(1).to(device), RECIPE, 1, device)
    for _ in range(10):
        next(run)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(steps):
        next(run)
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / steps * IMAGES / BATCH * 15
    return {"device": torch.cuda.get_device_name(device), "seconds_of_15_epochs": seconds}


def table(found: dict[str, Any]) -> str:
    """The figures as text, one line per engine, with speed-ups over eager PyTorch on the same number of threads."""
    lines = [f"{found['environment']['processor']}, torch {found['environment']['torch']}"]
    for n, top in found["peak"].items():
        lines.append(f"peak of {n} thread(s): {top / 1e9:.0f} billion multiply-adds a second")
    lines += ["", f"{'epoch of':10}{'engine':16}{'threads':>8}{'seconds':>9}{'ratio':>7}"]
    lines += _rows(found["epochs"], lambda row: row["network"])
    for row in found["convolutions"]:
        lines.append(
            f"{row['network']}, convolutions alone, {row['threads']} thread(s): {row['seconds'] * 1e3:.2f} ms a step,"
            f" {row['plain']:.0%} of peak as defined, {row['executed']:.0%} as executed"
        )
    if found["scaling"]:
        lines += ["", f"{'engine alone':22}{'engine':16}{'threads':>8}{'seconds':>9}{'ratio':>7}"]
        lines += _rows(found["scaling"], lambda row: f"{row['network']} b{row['batch']} {row['side']}px")
    cuda = found["cuda"]
    lines += ["", f"CUDA: {cuda['seconds_of_15_epochs']:.1f} s for 15 epochs of the stack on {cuda['device']}"
              if cuda else "CUDA: no GPU at hand, not measured"]  # fmt: skip
    return "\n".join(lines)


def _rows(rows: list[dict[str, Any]], label: Callable[[dict[str, Any]], str]) -> list[str]:
    lines, wide = [], max(10, *(len(label(row)) + 2 for row in rows))
    for row in rows:
        eager = next(
            other["seconds"] for other in rows
            if other["engine"] == EAGER and (label(other), other["threads"]) == (label(row), row["threads"])
        )  # fmt: skip
        ratio = eager / row["seconds"]
        lines.append(f"{label(row):{wide}}{row['engine']:16}{row['threads']:>8}{row['seconds']:>9.2f}{ratio:>7.2f}")
    return lines


def page(text: str, found: dict[str, Any]) -> str:
    """The text of the page with its table replaced by one of these figures."""
    return with_part_between(text, MARKS, f"```\n{table(found)}\n```", PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=469, help="steps to time for each engine; an epoch has 469")
    parser.add_argument(
        "--no-scaling", action="store_true", help="skip the timings by batch size, width and image side"
    )
    parser.add_argument("--write", action="store_true", help=f"save as {RESULT.name}")
    given = parser.parse_args()
    found = measure(steps=given.steps, scaling=not given.no_scaling, tell=lambda line: print(line, flush=True))
    print(table(found))
    if given.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        write_text(RESULT, json.dumps(found, indent=1) + "\n")
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
