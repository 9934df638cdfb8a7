"""What the hard-example rule does in a record's training: how many draws an epoch, of how many images, how often one.

python -m benchmarks.hard_draws f3   # trains seed 0 of these records, or of all; writes results/bench/hard_draws.json

The test set is not opened: one training image stands in its place, which changes nothing of the training. That the
draws are the record's is checked by the training accuracies, epoch by epoch.
"""

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.experiments.experiment import contenders
from featherweight.experiments.recipe import HardExamples
from featherweight.experiments.record import read_record
from featherweight.io import write_text
from featherweight.training.runs.run import new_run, train

loop: Any = import_module("featherweight.training.loop")
ROOT = Path(__file__).parent.parent
OUT = ROOT / "results" / "bench" / "hard_draws.json"


def without_test(data: Data) -> Data:
    """The data with one training image in place of the test set."""
    return replace(data, test=Split(images=data.train.images[:1], labels=data.train.labels[:1]))


def counted(chosen: Tensor) -> dict[str, int]:
    """Draws, distinct images and the most that one image comes up, of the positions that an epoch takes."""
    times = torch.bincount(chosen)
    return {"draws": len(chosen), "distinct": int((times > 0).sum()), "most": int(times.max())}


def measure(id: str, data: Data) -> dict[str, Any]:
    """Train seed 0 of an experiment, counting what the sampler gives; one entry a look."""
    looks: list[dict[str, int]] = []
    sample = loop.sample_by_loss

    def counting(losses: Tensor, hard: HardExamples, draws: torch.Generator) -> Tensor:
        chosen = sample(losses, hard, draws)
        looks.append(counted(chosen))
        return chosen

    experiment = next(one for one in contenders() if one.id == id)
    loop.sample_by_loss = counting
    try:
        with TemporaryDirectory() as folder:
            run = new_run(experiment, without_test(data), seed=0, out=Path(folder), threads=1)
            for _ in train(run):
                pass
    finally:
        loop.sample_by_loss = sample
    kept = read_record(ROOT / "results" / id / "seed0.json")
    same = [row.train_accuracy for row in run.record.rows] == [row.train_accuracy for row in kept.rows]
    return {"experiment": id, "seed": 0, "epochs": experiment.recipe.epochs, "same_training": same, "looks": looks}


def main() -> None:
    data = load("mnist")
    found = {one["experiment"]: one for one in json.loads(OUT.read_text())} if OUT.exists() else {}
    for id in sys.argv[1:] or [one.id for one in contenders() if one.recipe.hard]:
        found[id] = measure(id, data)
        print(found[id], flush=True)
        write_text(OUT, json.dumps([found[id] for id in sorted(found)], indent=1) + "\n")


if __name__ == "__main__":
    main()
