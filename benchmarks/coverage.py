"""How often `fit`'s promise holds: `python -m benchmarks.coverage WORK` runs twenty short searches on pictures of
several kinds and asks, for each, whether the 95 % interval that held-out pictures promised covers the accuracy on more
pictures of the same source.

Searches have a number of candidates as their limit, so that they are the same on any machine, busy or not. Each result
is in results/fit_coverage.json, and what is there is not run again.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import featherweight as fw
from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.io import write_text

FILE = Path(__file__).parents[1] / "results" / "fit_coverage.json"
SEARCHES = {"mnist": 5, "fashion": 5, "usps": 5, "digits": 3, "shapes": 2}
"""How many searches on each kind of pictures."""
IMAGES, TESTED, TRIALS = 300, 2000, 5


def drawn(name: str, seed: int) -> Data:
    """`IMAGES` training pictures of the kind and up to `TESTED` others of the same source, drawn by seed."""
    if name == "shapes":
        draws = np.random.default_rng(seed)
        y, x = np.mgrid[:16, :16]
        labels = np.arange(IMAGES + TESTED) % 4
        angles = np.pi * labels / 4 + draws.normal(0, 0.25, len(labels))
        phases = draws.uniform(0, 6, len(labels))
        waves = np.sin(
            (x * np.cos(angles)[:, None, None] + y * np.sin(angles)[:, None, None]) * 1.2 + phases[:, None, None]
        )
        pixels = np.clip(127 + 60 * waves + draws.normal(0, 40, waves.shape), 0, 255).astype(np.uint8)[:, None]
    else:
        data = load(name, holdout=100)
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[: IMAGES + TESTED]
        pixels, labels = data.train.images[order].numpy(), data.train.labels[order].numpy()
    test = pixels[IMAGES:], labels[IMAGES:]
    return Data.from_arrays(pixels[:IMAGES], labels[:IMAGES], test=test, name=name, channels="first")


def searches() -> Iterator[tuple[str, int]]:
    """Kind and seed of each search, one of each kind after another."""
    for seed in range(max(SEARCHES.values())):
        yield from ((name, seed) for name, count in SEARCHES.items() if seed < count)


def measured(name: str, seed: int, work: Path) -> dict[str, Any]:
    """What a search promised and what came of it."""
    found = fw.fit(drawn(name, seed), flash="16k", trials=TRIALS, seed=seed, out=work / f"{name}-{seed}").values
    promise, reached = found["promise"], found["mean"]
    low, high = promise["interval"]
    return {
        "pictures": name, "seed": seed, "promised": promise["accuracy"], "low": low, "high": high,
        "held_out": found["chosen"]["held_out_accuracy"], "reached": reached, "images": found["c"]["images"],
        "covered": low <= reached <= high, "candidates": promise["candidates"],
    }  # fmt: skip


def main(work: Path) -> None:
    """Run what is missing and print how many intervals cover."""
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    known = {(one["pictures"], one["seed"]) for one in kept}
    for name, seed in searches():
        if (name, seed) in known:
            continue
        kept.append(measured(name, seed, work))
        write_text(FILE, json.dumps(kept, indent=1) + "\n")
        print(kept[-1], flush=True)
    print(f"{sum(one['covered'] for one in kept)} of {len(kept)} intervals cover")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
