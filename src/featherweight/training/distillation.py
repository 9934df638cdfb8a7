"""The teacher of a recipe with `distil`: finished runs whose predictions on every batch are targets of the student; or
somebody else's network, from a file.

A run that teaches may have seen only the student's training images: one trained on the student's held-out images would
leak information about them. It must therefore use the same data with the same images held out, and finish first.
"""

import hashlib
from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featherweight.data.dataset import Data
from featherweight.engine import Engine
from featherweight.errors import FeatherweightError, UsageError
from featherweight.escape import printable
from featherweight.experiments.recipe import Distil
from featherweight.experiments.record import read_record
from featherweight.io import is_there
from featherweight.json_files import read_regular
from featherweight.networks.foreign import FILE_BYTES, is_network_file, read_network
from featherweight.training.runs.tensors import LARGEST
from featherweight.training.runs.trained import FOLDER, load_trained
from featherweight.training.step import Teacher

if TYPE_CHECKING:
    from featherweight.networks.foreign.onnx_file import ForeignNetwork

GREY = (0.299, 0.587, 0.114)
"""How much of a grey pixel is red, green and blue, as in Pillow."""


def teacher_runs(distil: Distil, data: dict[str, Any], place: Path) -> list[Path]:
    """The teacher's run folders, one per seed, from `place` or else from the package.

    `data` is the summary of the student's data. With images held out, which its seed decides, the one teacher is the
    run of that seed, since only that one has never seen them. Raises UsageError with the command that trains the
    teacher if a run is missing.
    """
    if is_network_file(distil.teacher):
        if not is_there(Path(distil.teacher)):
            raise UsageError(f"The recipe learns from {printable(distil.teacher)}, which is not there.")
        return [Path(distil.teacher)]
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


def teacher_network(place: Path, data: Data) -> nn.Module:
    """The network of a run's folder or of somebody else's file, for images as `data` normalises them.

    A file is given pixels of 0 to 1, or bytes if it takes these, in its own size. UsageError if its classes are others.
    """
    if not is_network_file(str(place)):
        return load_trained(place).network
    found = read_network(place)
    if found.classes != len(data.classes):
        raise UsageError(
            f"{printable(place)} tells {found.classes} classes apart, and {data.name} has {len(data.classes)}."
        )
    return _Foreign(found, data).eval()


class _Foreign(nn.Module):
    """A network from a file, for images that were normalised for another one."""

    mean: Tensor
    std: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, found: "ForeignNetwork", data: Data) -> None:
        super().__init__()
        self.network, self.shape, self.top = found.network, found.shape, 255.0 if found.bytes_in else 1.0
        for name, values in (("mean", data.mean), ("std", data.std), ("scale", found.scale), ("shift", found.shift)):
            self.register_buffer(name, torch.tensor(values).reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Scores, [N classes], of [N C H W]."""
        channels, height, width = self.shape
        pixels = images * self.std + self.mean
        if pixels.shape[1] != channels:
            grey = (
                (pixels * pixels.new_tensor(GREY).reshape(1, 3, 1, 1)).sum(1, keepdim=True) if channels == 1 else pixels
            )
            pixels = grey.expand(-1, channels, -1, -1)
        if pixels.shape[2:] != (height, width):
            pixels = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
        scores: Tensor = self.network(self.top * pixels * self.scale + self.shift)
        return scores


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
    if is_network_file(str(folder)):
        parameters = sum(one.numel() for one in read_network(folder).network.parameters())
        digest = hashlib.sha256(read_regular(folder, FILE_BYTES)).hexdigest()
        return {"run": folder.name, "parameters": parameters, "train_seconds": 0.0, "weights": digest}
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
