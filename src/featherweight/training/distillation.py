"""The teacher of a recipe with `distil`: finished runs that answer for every batch, and are learned from.

A teacher may have seen the student's training images and no others: one that has seen the digits held out from the
student would tell it about them. So its runs are of the same data, held-out part included, and come first.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featherweight.engine import Engine
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.experiments.record import read_record
from featherweight.training.runs.pretrained import FOLDER
from featherweight.training.runs.trained import load_trained

Answers = Callable[[Tensor], Tensor]


def runs_of(distil: Distil, data: dict[str, Any], place: Path) -> list[Path]:
    """The run folders that teach, one a seed, from `place` or else from the package.

    `data` is the summary of the student's data. Raises UsageError, with the command that trains the teacher, when one
    is missing.
    """
    found = []
    for seed in distil.seeds:
        name = f"{distil.teacher}-seed{seed}"
        folders = [*sorted(place.glob(name)), *sorted(place.glob(f"{name}-*")), FOLDER / name]
        fitting = [folder for folder in folders if _has_learned(folder, distil.teacher, seed, data)]
        if not fitting:
            held = f" --holdout {data['holdout']}" if data["holdout"] else ""
            raise UsageError(
                f"The recipe learns from seed {seed} of {distil.teacher}, and {place} holds no finished run of it on"
                f" the same images of {data['name']}; train it first: featherweight train {distil.teacher}"
                f" --seed {seed} --data {data['source']}{held} --out {place}"
            )
        found.append(fitting[0])
    return found


def _has_learned(folder: Path, teacher: str, seed: int, data: dict[str, Any]) -> bool:
    """Whether the folder holds the teacher's finished run of that seed, on exactly the student's training images."""
    if not (folder / "weights.safetensors").is_file():
        return False
    try:
        record = read_record(folder)
    except FeatherweightError:  # whatever else lies there does not teach
        return False
    keys = ("name", "train", "holdout", "held_out", "shape", "classes")
    same = all(record.data.get(key) == data.get(key) for key in keys)
    split = not data["holdout"] or record.data["seed"] == data["seed"]
    return record.finished and same and split and (record.experiment, record.seed) == (teacher, seed)


def about(folder: Path) -> dict[str, Any]:
    """What a student's record says of one teacher, its cost included."""
    record = read_record(folder)
    return {
        "run": folder.name,
        "parameters": record.parameters,
        "train_seconds": record.train_seconds,
        "weights": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
    }


def bound(folders: Sequence[Path], recipe: Recipe, device: torch.device, bind: Callable[..., Engine]) -> Answers:
    """What these runs, on the average, answer: images [N C H W] -> probabilities [N classes] at the temperature.

    `bind` gives the engine of a network for the student's batches.
    """
    assert recipe.distil is not None, "callers ask first"
    temperature = recipe.distil.temperature
    # A teacher's run is of the experiment that the recipe names, and that recipe's file has been executed already.
    engines = [bind(load_trained(folder, trust=True).network.to(device), batch=recipe.batch) for folder in folders]

    def answers(images: Tensor) -> Tensor:
        return torch.stack([torch.softmax(engine.scores(images) / temperature, dim=1) for engine in engines]).mean(0)

    return answers
