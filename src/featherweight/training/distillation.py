"""The teacher of a recipe with `distil`: finished runs whose predictions on every batch are targets of the student.

A teacher may have seen only the student's training images: one trained on the student's held-out images would leak
information about them. Its runs must therefore use the same data with the same images held out, and finish first.
"""

import hashlib
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featherweight.engine import Engine
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.recipe import Distil
from featherweight.experiments.record import read_record
from featherweight.json_files import read_regular
from featherweight.training.runs.tensors import LARGEST
from featherweight.training.runs.trained import FOLDER
from featherweight.training.step import Teacher


def teacher_runs(distil: Distil, data: dict[str, Any], place: Path) -> list[Path]:
    """The teacher's run folders, one per seed, from `place` or else from the package.

    `data` is the summary of the student's data. With images held out, which its seed decides, the one teacher is the
    run of that seed, since only that one has never seen them. Raises UsageError with the command that trains the
    teacher if a run is missing.
    """
    found = []
    for seed in (data["seed"],) if data["holdout"] else distil.seeds:
        name = f"{distil.teacher}-seed{seed}"
        folders = [*sorted(place.glob(escape(name))), *sorted(place.glob(f"{escape(name)}-*")), FOLDER / name]
        fitting = [folder for folder in folders if _has_learned(folder, distil.teacher, seed, data)]
        if not fitting:
            held = f" --holdout {data['holdout']}" if data["holdout"] else ""
            raise UsageError(
                f"The recipe learns from seed {seed} of {distil.teacher}, but {place} holds no finished run of it on"
                f" the same images of {data['name']}; train it first: featherweight train {distil.teacher}"
                f" --seed {seed} --data {data['source']}{held} --out {place}"
            )
        found.append(fitting[0])
    return found


def _has_learned(folder: Path, teacher: str, seed: int, data: dict[str, Any]) -> bool:
    """Whether the folder holds the teacher's finished run with this seed on exactly the student's training images."""
    if not (folder / "weights.safetensors").is_file():
        return False
    try:
        record = read_record(folder)
    except FeatherweightError:  # not a readable run, so not a teacher
        return False
    keys = ("name", "train", "holdout", "held_out", "shape", "classes")
    same = all(record.data.get(key) == data.get(key) for key in keys)
    split = not data["holdout"] or record.data["seed"] == data["seed"]
    return record.finished and same and split and (record.experiment, record.seed) == (teacher, seed)


def teacher_facts(folder: Path) -> dict[str, Any]:
    """What a distilled student's record says of one teacher, including the teacher's cost."""
    record = read_record(folder)
    return {
        "run": folder.name,
        "parameters": record.parameters,
        "train_seconds": record.train_seconds,
        "weights": hashlib.sha256(read_regular(folder / "weights.safetensors", LARGEST)).hexdigest(),
    }


def answering(engines: Sequence[Engine], distil: Distil) -> Teacher:
    """A distillation teacher that returns the mean of these networks' probabilities at the recipe's temperature."""

    def answers(images: Tensor) -> Tensor:
        softened = [torch.softmax(engine.scores(images) / distil.temperature, dim=1) for engine in engines]
        return torch.stack(softened).mean(0)

    return answers
