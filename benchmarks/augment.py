"""Seconds of augmentation per epoch: 60,000 images of 28 x 28 on one thread, in batches of 64 and 128.

`python -m benchmarks.augment` prints the table; `--write` also saves it as results/bench/augment.json.
If Kornia is installed, it is timed on the same images, with separate random parameters for each image as here.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featherweight.data.augment import augment, normalise
from featherweight.experiments.recipe import Augment

IMAGES = 60_000
BATCHES = (64, 128)
MEAN, STD = (0.1307,), (0.3081,)
AFFINE: dict[str, Any] = {"rotate_deg": 8, "shift_px": 2.2, "scale": 0.1, "shear": 0.1}
OTHERS: dict[str, Any] = {"perspective": 0.2, "crop": 0.1, "elastic_px": 0.8, "erase": 0.5}
RESULT = Path(__file__).parents[1] / "results" / "bench" / "augment.json"

Change = Callable[[Tensor], Tensor]


def ours(settings: Augment) -> Change:
    draws = torch.Generator().manual_seed(0)
    return lambda images: augment(images, settings, draws, mean=MEAN, std=STD)


def changes() -> dict[str, Change]:
    """Every row of the table except Kornia's: each transform alone, a typical affine transform, and all together."""
    alone = {name: ours(Augment(**{name: amount})) for name, amount in (AFFINE | OTHERS).items()}
    return {
        "normalise only": lambda images: normalise(images, MEAN, STD),
        **alone,
        "affine": ours(Augment(**AFFINE)),
        "all": ours(Augment(**AFFINE, **OTHERS)),
    }


def peer() -> dict[str, Change]:
    """Kornia's closest equivalents; empty if it is not installed."""
    try:
        from kornia import augmentation as kornia
    except ImportError:
        return {}
    shift, slant = AFFINE["shift_px"] / 28, 45 * AFFINE["shear"]
    affine = kornia.RandomAffine(
        AFFINE["rotate_deg"], (shift, shift), (1 - AFFINE["scale"], 1 + AFFINE["scale"]), slant, p=1.0
    )
    everything = (
        affine,
        kornia.RandomPerspective(OTHERS["perspective"], p=1.0),
        kornia.RandomResizedCrop((28, 28), ((1 - OTHERS["crop"]) ** 2, 1.0), (1.0, 1.0), p=1.0),
        kornia.RandomElasticTransform(p=1.0),
        kornia.RandomErasing((0.02, 0.1), p=OTHERS["erase"]),
    )
    norm = kornia.Normalize(torch.tensor(MEAN), torch.tensor(STD), p=1.0)
    return {
        "affine, kornia": kornia.AugmentationSequential(affine, norm, data_keys=["input"]),
        "all, kornia": kornia.AugmentationSequential(*everything, norm, data_keys=["input"]),
    }


def as_floats(change: Change) -> Change:
    """Adapts a function of images from 0 to 1 to images from 0 to 255."""
    return lambda images: change(images.float().div_(255))


def seconds(change: Change, images: Tensor, batch: int) -> float:
    """Seconds for one pass over all images."""
    start = time.perf_counter()
    for part in images.split(batch):
        change(part)
    return time.perf_counter() - start


def measure(repeats: int, peer_share: int = 10) -> list[dict[str, Any]]:
    """One row per change: its name and the shortest of `repeats` epochs, in seconds, for each batch size.

    Kornia is timed on one image in `peer_share` and scaled up, since all of them would take minutes.
    """
    images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8)
    work = {name: (change, 1) for name, change in changes().items()}
    work |= {name: (as_floats(change), peer_share) for name, change in peer().items()}
    rows = []
    for name, (change, share) in work.items():
        part = images[: IMAGES // share]
        seconds(change, part[:1024], 128)
        best = {batch: min(seconds(change, part, batch) for _ in range(repeats)) for batch in BATCHES}
        rows.append({"name": name} | {f"batch_{batch}_s": round(best[batch] * share, 3) for batch in BATCHES})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="save as results/bench/augment.json")
    parser.add_argument("--repeats", type=int, default=3, help="epochs to time; the shortest counts")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(chosen.repeats)
    print(f"{'seconds an epoch of 60,000':<28}" + "".join(f"{f'batch {batch}':>11}" for batch in BATCHES))
    for row in rows:
        print(f"{row['name']:<28}" + "".join(f"{row[f'batch_{batch}_s']:>11.3f}" for batch in BATCHES))
    if chosen.write:
        machine = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, one thread"
        result = {"images": IMAGES, "size": 28, "machine": machine, "torch": torch.__version__, "rows": rows}
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
