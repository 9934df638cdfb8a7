"""`fit` against what a good engineer writes in thirty lines: `python -m benchmarks.rival WORK [SET ...]`.

The rival is a stack of depthwise-separable convolutions as wide as the same flash and RAM allow in 8 bits, trained by
PyTorch in its fastest layout on all cores for the same minutes: one cycle, label smoothing, shifts, and flips where
they help on held-out pictures. Both are judged by the same integers, picture by picture, on the test set.

The two take turns, set by set and seed by seed, so that other work on the machine is suffered by both; the load is
noted beside each result, and only what was measured on a quiet machine says anything about minutes. Each result is a
file in results/rival, and what is there is not measured again. `--table` prints the table of what is there: means over
seeds, and the 95 % interval of the difference by a paired bootstrap over seeds and pictures.
"""

import argparse
import json
import math
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import featherweight as fw
from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.export.estimate import deployed
from featherweight.export.fixed_point import quantise
from featherweight.export.integers import integer_scores
from featherweight.export.lowering import lower
from featherweight.export.source import calibration_of
from featherweight.io import write_text
from featherweight.training.runs.folders import run_of
from featherweight.training.runs.trained import load_trained

RESULTS = Path(__file__).parents[1] / "results" / "rival"
SETS: dict[str, tuple[int, int, float]] = {
    "cifar10": (48 * 1024, 32 * 1024, 20), "clothing": (64 * 1024, 64 * 1024, 15), "usps": (5_000, 1 << 30, 6),
    "fashion": (16 * 1024, 8 * 1024, 12), "mnist": (7_000, 1 << 30, 10), "words": (32 * 1024, 16 * 1024, 10),
}  # fmt: skip
"""Bytes of flash and of RAM, and minutes."""
SIZES = {"clothing": (48, 48), "words": (40, 49)}
"""What the rival's pictures are brought to, (height, width)."""
SEEDS = (0, 1, 2)


# The rival, from here...
def stack(channels: int, classes: int, width: float, pool: bool) -> nn.Sequential:
    """A convolution, then seven depthwise-separable ones in three sizes."""
    wide = [max(4, round(width * one)) for one in (1, 1, 2, 2, 4, 4, 4)]
    layers: list[nn.Module] = [nn.Conv2d(channels, wide[0], 3, 2 if pool else 1, 1, bias=False)]
    layers += [nn.BatchNorm2d(wide[0]), nn.ReLU()]
    for before, after in zip([wide[0], *wide], wide, strict=False):
        step = 2 if after > before else 1
        layers += [nn.Conv2d(before, before, 3, step, 1, groups=before, bias=False), nn.BatchNorm2d(before), nn.ReLU()]
        layers += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide[-1], classes))


def widest(data: Data, flash: int, ram: int) -> nn.Sequential:
    """The widest stack within the limits in 8 bits."""
    _, channels, height, width = data.train.images.shape
    for factor in np.geomspace(64, 3, 60):
        for pool in (False, True):
            network = stack(channels, len(data.classes), factor, pool)
            cost = deployed(network.eval(), (channels, height, width))
            if cost.flash <= flash and cost.ram <= ram:
                return network
    raise SystemExit(f"no stack fits {flash} and {ram} bytes")


def trained(network: nn.Sequential, data: Data, images: Tensor, labels: Tensor, seconds: float, flips: bool) -> int:
    """Train for so many seconds with one cycle of the rate; the steps that were taken."""
    mean, std = (torch.tensor(one).reshape(1, -1, 1, 1) for one in (data.mean, data.std))
    inputs = ((images.float() / 255 - mean) / std).to(memory_format=torch.channels_last)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    begun, steps = time.monotonic(), 0
    while (passed := (time.monotonic() - begun) / seconds) < 1:
        optimiser.param_groups[0]["lr"] = 0.2 * (passed / 0.2 if passed < 0.2 else (1 - passed) / 0.8) + 1e-4
        chosen = torch.randint(len(labels), (128,))
        batch = functional.pad(inputs[chosen], (2, 2, 2, 2))
        row, column = (int(one) for one in torch.randint(5, (2,)))
        batch = batch[:, :, row : row + images.shape[2], column : column + images.shape[3]]
        batch = torch.where(torch.rand(128, 1, 1, 1) < 0.5, batch.flip(3), batch) if flips else batch
        loss = functional.cross_entropy(network(batch), labels[chosen], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
    network.eval()
    return steps


# ...to here; what follows is its choice of flips and the measuring.


def rival(data: Data, flash: int, ram: int, seconds: float, seed: int) -> tuple[nn.Sequential, dict[str, Any]]:
    """The rival's network, with flips if a tenth of the time says that they help."""
    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    held = torch.randperm(len(data.train)) < len(data.train) // 6
    scores = []
    for flips in (False, True):
        network = widest(data, flash, ram)
        trained(network, data, data.train.images[~held], data.train.labels[~held], seconds / 20, flips)
        part = data.train.take(held)
        scores.append(_right_of(network, data, part.images, part.labels).mean())
    network, flips = widest(data, flash, ram), bool(scores[1] > scores[0])
    steps = trained(network, data, data.train.images, data.train.labels, 0.9 * seconds, flips)
    return network, {"flips": flips, "steps": steps}


def _right_of(network: nn.Module, data: Data, images: Tensor, labels: Tensor) -> NDArray[np.bool_]:
    mean, std = (torch.tensor(one).reshape(1, -1, 1, 1) for one in (data.mean, data.std))
    with torch.no_grad():
        parts = [network((part.float() / 255 - mean) / std).argmax(1) for part in images.split(500)]
    found: NDArray[np.bool_] = (torch.cat(parts) == labels).numpy()
    return found


def in_integers(network: nn.Module, data: Data, bits: int) -> NDArray[np.bool_]:
    """Which test pictures the network's C program gets right, by the integers that it computes with."""
    shape = tuple(data.train.images.shape[1:])
    integers = quantise(lower(network.eval(), shape, bits), calibration_of(data)[0], data.mean, data.std)
    found: NDArray[np.bool_] = integer_scores(integers, data.test.images).argmax(1) == data.test.labels.numpy()
    return found


def measured(name: str, way: str, seed: int, work: Path, directory: Path) -> dict[str, Any]:
    """One result: what of the test pictures is right, in how much flash, after how long, beside which load."""
    flash, ram, minutes = SETS[name]
    source = prepared(name, work, directory)
    load_before, begun = os.getloadavg()[0], time.monotonic()
    if way == "rival":
        data = load(source, directory=directory, size=SIZES.get(name))
        network, about = rival(data, flash, ram, 60 * minutes, seed)
        seconds = time.monotonic() - begun
        cost, bits = deployed(network, tuple(data.train.images.shape[1:])), 8
        about |= {"flash": cost.flash, "ram": cost.ram}
    else:
        found = fw.fit(source, flash=flash, ram=ram, minutes=minutes, seed=seed, data_dir=directory,
                       out=work / f"{name}-{seed}")  # fmt: skip
        seconds = time.monotonic() - begun
        run = load_trained(run_of(found.folder))
        size = run.record.data.get("size")
        data = load(source, directory=directory, size=(size[0], size[1]) if size else None,
                    grey=bool(run.record.data.get("grey")))  # fmt: skip
        network, bits = run.network, int(found.values["chosen"]["genes"].get("bits", 8))
        about = {name: found.values["cost"][name] for name in ("flash", "ram")}
        about |= {"trials": found.values["search"]["candidates"], "promise": found.values["promise"]}
    right = in_integers(network, data, bits)
    return {
        "set": name, "way": way, "seed": seed, "accuracy": 100 * float(right.mean()), "bits": bits, **about,
        "seconds": round(seconds, 1), "minutes": minutes, "load": [load_before, os.getloadavg()[0]],
        "cores": len(os.sched_getaffinity(0)), "right": np.packbits(right).tobytes().hex(), "images": len(right),
    }  # fmt: skip


def prepared(name: str, work: Path, directory: Path) -> str:
    """The set's name, or the folder in which its pictures are put: photographs as they are, recordings as their
    spectrograms."""
    if name not in SIZES:
        return name
    place = work / name
    if not place.exists():
        with zipfile.ZipFile(directory / name / f"{name}.zip") as archive:
            archive.extractall(work / "raw")
        raw = work / "raw" / name
        (spectrograms if name == "words" else Path.rename)(raw, place)
    return str(place)


def spectrograms(raw: Path, place: Path) -> None:
    """Write each recording of a second at 16 kHz as a grey picture of 40 bands (mel) by 49 windows of 40 ms."""
    import soundfile
    from PIL import Image

    rate, window, bands = 16_000, 640, 40
    edges = 700 * (np.expm1(np.linspace(0, math.log1p(7600 / 700), bands + 2)))
    bins = np.fft.rfftfreq(window, 1 / rate)
    filters = np.stack([np.interp(bins, edges[at : at + 3], [0, 1, 0]) for at in range(bands)])
    for path in sorted(raw.rglob("*.flac")):
        sound, _ = soundfile.read(path)
        sound = np.pad(sound, (0, max(0, rate - len(sound))))[:rate]
        frames = np.lib.stride_tricks.sliding_window_view(sound, window)[:: window // 2][:49]
        power = np.abs(np.fft.rfft(frames * np.hanning(window))) ** 2 @ filters.T
        level = np.clip(20 * np.log10(power + 1e-9) + 110, 0, 150) / 150
        target = place / path.relative_to(raw).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * level[:, ::-1].T).astype(np.uint8)).save(target)


def kept(folder: Path) -> Iterator[dict[str, Any]]:
    """The results that are there."""
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def compared(ours: list[NDArray[np.bool_]], theirs: list[NDArray[np.bool_]]) -> tuple[float, float, float]:
    """The difference in points and its 95 % interval, by drawing seeds, and pictures in pairs, with replacement.

    >>> compared([np.array([True] * 90 + [False] * 10)] * 2, [np.array([True] * 80 + [False] * 20)] * 2)[0]
    10.0
    """
    one, two = np.stack(ours).astype(float), np.stack(theirs).astype(float)
    draws, found = np.random.default_rng(0), []
    for _ in range(2000):
        pictures = draws.integers(one.shape[1], size=one.shape[1])
        mean = [table[draws.integers(len(table), size=len(table))][:, pictures].mean() for table in (one, two)]
        found.append(100 * (mean[0] - mean[1]))
    low, high = np.quantile(found, [0.025, 0.975])
    return round(100 * float(one.mean() - two.mean()), 6), float(low), float(high)


def table(folder: Path = RESULTS) -> str:
    """The table of all results, as Markdown."""
    rows = list(kept(folder))
    lines = ["| pictures | flash, RAM, minutes | seeds | `fit`, % | rival, % | difference (95 % interval) | load |",
             "|---|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name, (flash, ram, minutes) in SETS.items():
        there = {way: [row for row in rows if (row["set"], row["way"]) == (name, way)] for way in ("fit", "rival")}
        if not all(there.values()):
            continue
        right = [
            [np.unpackbits(np.frombuffer(bytes.fromhex(row["right"]), np.uint8))[: row["images"]] > 0 for row in some]
            for some in there.values()
        ]
        difference, low, high = compared(*right)
        means = [np.mean([row["accuracy"] for row in some]) for some in there.values()]
        seeds = " and ".join(sorted({str(len(some)) for some in there.values()}))
        loads = [load for some in there.values() for row in some for load in row["load"]]
        ram_words = f"{ram:,}" if ram < 1 << 30 else "any"
        lines.append(
            f"| `{name}` | {flash:,}, {ram_words}, {minutes:g} | {seeds} | {means[0]:.2f} | {means[1]:.2f} |"
            f" {difference:+.2f} ({low:+.2f} to {high:+.2f}) | {min(loads):.1f} to {max(loads):.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, in turns, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("work", type=Path, nargs="?", help="a folder for pictures and searches")
    parser.add_argument("sets", nargs="*", help=", ".join(SETS))
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("FEATHERWEIGHT_DATA", ".")))
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table or given.work is None:
        print(table())
        return
    given.work.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[: given.seeds]:
        for name in given.sets or SETS:
            for way in ("fit", "rival"):
                path = RESULTS / f"{name}-{way}-{seed}.json"
                if not path.exists():
                    values = measured(name, way, seed, given.work, given.data_dir)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_text(path, json.dumps(values) + "\n")
                    print(f"{name} {way} {seed}: {values['accuracy']:.2f} %, load {values['load'][0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
