"""What networks answer to pictures that show none of their classes: `python -m benchmarks.unknown WORK`.

First the rule is chosen, on training images alone: `fastest` is trained with twenty seeds on 50,000 of MNIST's training
images; one half of the other 10,000 fits thresholds and sets, and the other half judges them, for the network itself
and for the next seed's. Then networks of the package are calibrated by a run of the same experiment that held images
out, and what they refuse of their test images and of strangers is counted; no label of a test image is read. The runs
are kept in WORK, and what is in results/unknown.json is not measured again.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from featherweight.data.dataset import Data
from featherweight.experiments.calibration import COVERED, REFUSED, Floats, evidence, softmax, threshold_of
from featherweight.experiments.calibration import fitted_temperature as temperature_of
from featherweight.io import write_text
from featherweight.training.runs.calibrated import calibrate, made_strangers, scores_of, usual_of
from featherweight.training.runs.trained import FOLDER, TrainedModel, data_of, load_trained

FILE = Path(__file__).parents[1] / "results" / "unknown.json"
SEEDS = range(20)
HELD = {"fastest": 10_000, "f3": 10_000, "smallest": 10_000, "leanest": 10_000, "fashion": 10_000, "cifar-mcu": 5_000}
STRANGERS = {"f3": "fashion", "smallest": "fashion", "leanest": "fashion", "fashion": "mnist", "cifar-mcu": "fashion"}
SHIPPED = ("f3", "smallest", "leanest")
ROOMS = (1.0, 0.95, 0.9, 0.85, 0.8)
"""Shares of the promised refusals that held-out images may decide on."""


def trained(name: str, seed: int, holdout: int, work: Path) -> Path:
    """The folder of this run, which is trained if it is not there."""
    folder = work / f"held-{holdout}" / f"{name}-seed{seed}"
    if not (folder / "weights.safetensors").exists():
        words = [
            "train",
            name,
            "--seed",
            str(seed),
            "--out",
            str(folder.parent),
            "--threads",
            "1",
            "--holdout",
            str(holdout),
        ]
        subprocess.run([sys.executable, "-m", "featherweight", *words], stdout=subprocess.DEVNULL)
    return folder


def halves(model: TrainedModel, data: Data) -> tuple[Floats, Floats, "np.ndarray[Any, np.dtype[np.int64]]"]:
    """Scores of the first and of the second half of the images that were held out, and the labels of all."""
    scores = scores_of(model, data.test.images)
    middle = len(scores) // 2
    return scores[:middle], scores[middle:], data.test.labels.numpy()


def chosen(work: Path) -> dict[str, Any]:
    """What thresholds and sets of one half of the held-out images do to the other half, seed by seed."""
    runs = [load_trained(trained("fastest", seed, HELD["fastest"], work)) for seed in SEEDS]
    data = data_of(runs[0].record, None)
    usual = [usual_of(run, data) for run in runs]
    parts = [halves(run, data) for run in runs]
    strange = [
        np.concatenate([scores_of(run, images) for _, images in made_strangers(data.test.images)]) for run in runs
    ]
    found: dict[str, Any] = {"refused": [], "sets": []}
    for at, (one, two, labels) in enumerate(parts):
        then = (at + 1) % len(runs)
        for table in (True, False):
            margins = [
                usual[of].margin(scores) if table else evidence(scores) / usual[of].evidence
                for of, scores in ((at, one), (at, two), (then, parts[then][1]), (then, strange[then]))
            ]
            for room in ROOMS:
                least = threshold_of(margins[0], room * REFUSED / 100)
                itself, following, strangers = (100 * float((part < least).mean()) for part in margins[1:])
                found["refused"].append(
                    {
                        "seed": at, "table": table, "room": room, "itself": itself, "next": following,
                        "strangers": strangers,
                    }
                )  # fmt: skip
        warmth = temperature_of(one, labels[: len(one)])
        right = softmax(one / warmth)[np.arange(len(one)), labels[: len(one)]]
        for cover in (COVERED, 99.0, 99.9):
            least = threshold_of(right, 1 - cover / 100)
            assert least is not None
            shares = softmax(two / warmth)
            held = (shares >= np.minimum(least, shares.max(1, keepdims=True))) | (
                shares == shares.max(1, keepdims=True)
            )
            covers = held[np.arange(len(two)), labels[len(one) :]].mean()
            found["sets"].append(
                {"seed": at, "cover": cover, "covered": 100 * float(covers), "size": float(held.sum(1).mean())}
            )
    return found


def measured(name: str, work: Path) -> dict[str, Any]:
    """The calibration of a network of the package by a run that held images out, or else of such a run by itself."""
    by = trained(name, 0, HELD[name], work)
    if name in SHIPPED:
        folder = work / name
        shutil.copytree(FOLDER / f"{name}-seed0", folder, dirs_exist_ok=True)
        known = calibrate(folder, by=by, strangers=[STRANGERS[name]])
    else:
        known = calibrate(by, strangers=[STRANGERS[name]])
    return {
        "network": name,
        **{key: value for key, value in asdict(known).items() if key not in ("typical", "weights")},
    }


def main(work: Path) -> None:
    """Measure what is missing, and print it."""
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"networks": []}
    if "rule" not in kept:
        kept["rule"] = chosen(work)
        write_text(FILE, json.dumps(kept, indent=1) + "\n")
    for name in STRANGERS:
        if all(one["network"] != name for one in kept["networks"]):
            kept["networks"].append(measured(name, work))
            write_text(FILE, json.dumps(kept, indent=1) + "\n")
            print(kept["networks"][-1], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
