"""Trained networks: saving their weights, loading them from run folders or from the package, and evaluating them.

The pretrained networks of the package are unmodified folders of finished runs, under `experiments/records/weights/`.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.engine import Engine, build_engine, processors
from featherweight.errors import FileError, UsageError, nearest
from featherweight.experiments.calibration import FILE as CALIBRATION
from featherweight.experiments.calibration import Calibration, read_calibration
from featherweight.experiments.experiment import PACKAGED, RECORDS, Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, Size, percent, read_record, size_of_facts
from featherweight.experiments.statistics import accuracy_interval
from featherweight.io import is_folder, is_there, write_bytes
from featherweight.json_files import parse_json, read_regular
from featherweight.training.evaluation import evaluate
from featherweight.training.runs import environment
from featherweight.training.runs.folders import run_of
from featherweight.training.runs.restore import network_of
from featherweight.training.runs.tensors import LARGEST, open_packed, pack_tensors, read_tensors

_KEY = "featherweight"


def save_weights(network: nn.Module, record: Record, path: Path) -> None:
    """Write the network's weights as safetensors, with metadata on the matching network and how to normalise images."""
    about = {name: record.data[name] for name in ("shape", "classes", "mean", "std")}
    about |= {"experiment": record.experiment, "seed": record.seed}
    write_bytes(path, pack_tensors(network.state_dict(), {_KEY: json.dumps(about)}))


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained network with the description of its inputs and outputs."""

    network: nn.Module
    """In evaluation mode, on the CPU."""
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    record: Record
    calibration: Calibration | None = None
    """When it answers "none of these", if that was ever fitted (`runs.calibrated`)."""


def load_trained(
    folder: "str | Path", *, experiment: "Path | Experiment | None" = None, made: nn.Module | None = None
) -> TrainedModel:
    """The network of a finished run; UsageError if there is none, FileError if its weights do not fit.

    No code from the folder is executed. Only a network with modules that are not stored as data needs the file of its
    `experiment`, which is executed, or the network itself, if the caller has just `made` it.
    """
    record, folder = read_record(folder), Path(folder)
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise UsageError(f"The run of {folder} has no weights yet; finish it with --resume {folder}.")
    try:
        packed = open_packed(path, _KEY)
        about = parse_json(packed.about[_KEY])
        _require_fitting(about, record)
        shape = (int(about["shape"][0]), int(about["shape"][1]), int(about["shape"][2]))
        network = made.cpu() if made is not None else network_of(record, experiment)
        network.load_state_dict(read_tensors(packed, network.state_dict()))
        return TrainedModel(
            network=network.eval(),
            shape=shape,
            classes=tuple(about["classes"]),
            mean=tuple(about["mean"]),
            std=tuple(about["std"]),
            record=record,
            calibration=calibration_in(folder, len(about["classes"])),
        )
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
    ) as problem:  # RuntimeError includes RecursionError
        raise FileError(f"{path} does not hold the weights of {record.experiment}: {problem}") from problem


def calibration_in(folder: Path, classes: int) -> Calibration | None:
    """The calibration beside a run's weights, None if there is none; FileError if it is not theirs."""
    if not (folder / CALIBRATION).exists():
        return None
    return read_calibration(folder, weights_digest(folder), classes)


def weights_digest(folder: Path) -> str:
    """The SHA-256 of a run's weights."""
    return hashlib.sha256(read_regular(folder / "weights.safetensors", LARGEST)).hexdigest()


def _require_fitting(about: dict[str, Any], record: Record) -> None:
    """Raise ValueError unless the metadata of the weights agrees with the record beside them."""
    facts = {name: record.data.get(name) for name in ("shape", "classes", "mean", "std")}
    facts |= {"experiment": record.experiment, "seed": record.seed}
    for name, value in facts.items():
        if about[name] != value:
            raise ValueError(f"their {name} is {about[name]!r:.60}, but the record beside them has {value!r:.60}")


def evaluate_run(
    trained: TrainedModel, *, data: str | Data = "", data_dir: Path | None = None, device: str = "auto"
) -> dict[str, Any]:
    """Loss and accuracy (percent) of a finished run on the test set of its own data, or of `data` if given.

    `data` may be the name of a data set. The accuracy comes with its 95 % interval. Raises UsageError if the classes or
    images do not match.
    """
    if isinstance(data, Data):
        source = data
    else:
        source = load(data, directory=data_dir) if data else data_of(trained.record, data_dir)
    where = environment.device_for(device)
    evaluator = evaluator_of(trained, source, where, threads=processors())
    test = source.to(where).test
    loss, correct = evaluate(evaluator, test, trained.mean, trained.std)
    return {
        "experiment": trained.record.experiment,
        "data": source.name,
        "holdout": source.holdout,
        "test_loss": loss,
        "test_accuracy": percent(correct, len(test.labels)),
        "interval": list(accuracy_interval(correct, len(test.labels))),
        "correct": correct,
        "tested": len(test.labels),
    }


def evaluator_of(trained: TrainedModel, source: Data, device: torch.device, threads: int = 1) -> Engine:
    """An engine that evaluates a copy of a trained network on this device for images of `source`.

    Raises UsageError when the images or classes are not those that the network takes.
    """
    if len(source.classes) != len(trained.classes) or tuple(source.test.images.shape[1:]) != trained.shape:
        raise UsageError(
            f"The run of {trained.record.experiment} distinguishes {len(trained.classes)} classes of {trained.shape}"
            f" images; {source.name} has {len(source.classes)} of {tuple(source.test.images.shape[1:])}."
        )
    return build_engine(
        "auto",
        copy.deepcopy(trained.network).to(device),
        Recipe.from_json(trained.record.recipe),
        shape=trained.shape,
        device=device,
        threads=threads,
        batch=1,
    )


def data_of(record: Record, directory: Path | None = None) -> Data:
    """The data that a trained network's record names, loaded again."""
    about = record.data
    return load(
        about["source"], directory=directory, holdout=about["holdout"], seed=about["seed"], size=requested_size(record),
        grey=about.get("grey", False),
    )  # fmt: skip


def requested_size(record: Record) -> Size:
    """The size that was requested for the pictures of a run."""
    return size_of_facts(record.data)


FOLDER = PACKAGED / RECORDS / "weights"
SEED = "-seed0"
"""The seed used for an experiment named without one; fixed beforehand, not chosen by accuracy."""


def pretrained_names() -> list[str]:
    """The names of the networks in the package; an experiment's name without a seed stands for its seed 0.

    >>> pretrained_names()[:2]
    ['f3', 'f3-seed0']
    """
    runs = {path.parent.name for path in FOLDER.glob("*/weights.safetensors")}
    return sorted(runs | {run.removesuffix(SEED) for run in runs})


def load_pretrained(name: str) -> TrainedModel:
    """The pretrained network with this name; UsageError if the package has none.

    >>> load_pretrained("f3").record.parameters
    7864
    """
    if name not in pretrained_names():
        raise UsageError(f"There is no network {name!r} in the package; {nearest(name, pretrained_names())}")
    return load_trained(_packaged_weights(name))


def _packaged_weights(name: str) -> Path:
    folder = FOLDER / name
    return folder if folder.is_dir() else FOLDER / f"{name}{SEED}"


def folder_of(run: str) -> Path:
    """The path that is named, of a finished search that of its exported run; or that of the network of the package."""
    return _packaged_weights(run) if run in pretrained_names() and not is_there(run) else run_of(Path(run))


def load_any(run: str, *, experiment: Path | None = None) -> TrainedModel:
    """The network in the folder of a run or of a finished search, or the pretrained one with this name; UsageError if
    there is neither.

    `experiment` is as in `load_trained`.
    """
    if is_folder(run) or "/" in run or "\\" in run:
        return load_trained(run_of(Path(run)), experiment=experiment)
    if run in pretrained_names():
        return load_pretrained(run)
    given, others = str(run)[:60], nearest(run, pretrained_names())
    raise UsageError(f"There is no run folder {given!r} and no such network in the package; {others}")
