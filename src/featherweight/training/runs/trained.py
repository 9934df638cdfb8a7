"""A finished network: its weights in a file, read back, and evaluated."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from featherweight import engine as engines
from featherweight.data import Data, load
from featherweight.errors import FileError, UsageError
from featherweight.experiments.experiment import experiment_of
from featherweight.experiments.record import Record, percent, read_record
from featherweight.files import parse_json, write_bytes
from featherweight.training.loop import EVALUATION_BATCH, evaluate
from featherweight.training.runs import environment
from featherweight.training.runs.tensors import open_packed, pack, take

_KEY = "featherweight"


def save_weights(network: nn.Module, record: Record, path: Path) -> None:
    """The network's weights as safetensors; the metadata says what they fit and how pictures are normalised."""
    about = {name: record.data[name] for name in ("shape", "classes", "mean", "std")}
    about |= {"experiment": record.experiment, "seed": record.seed}
    write_bytes(path, pack(network.state_dict(), {_KEY: json.dumps(about)}))


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A finished network with what its pictures and answers mean."""

    network: nn.Module
    """In evaluation mode, on the CPU."""
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    record: Record


def load_trained(folder: Path, *, trust: bool = False) -> TrainedModel:
    """The network of a finished run; UsageError when there is none, FileError when its weights do not fit.

    With `trust`, the Python file that its record names is executed, where it is not one of the package's experiments.
    """
    record = read_record(folder)
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise UsageError(f"The run of {folder} has no weights yet; finish it with --resume {folder}.")
    try:
        packed = open_packed(path, _KEY)
        about = parse_json(packed.about[_KEY])
        _require_fitting(about, record)
        shape = (int(about["shape"][0]), int(about["shape"][1]), int(about["shape"][2]))
        experiment = experiment_of(record, trust=trust)
        network = experiment.build(channels=shape[0], classes=len(about["classes"]))
        network.load_state_dict(take(packed, network.state_dict()))
        return TrainedModel(
            network=network.eval(),
            shape=shape,
            classes=tuple(about["classes"]),
            mean=tuple(about["mean"]),
            std=tuple(about["std"]),
            record=record,
        )
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
    ) as problem:  # RuntimeError: of recursion
        raise FileError(f"{path} does not hold the weights of {record.experiment}: {problem}") from problem


def _require_fitting(about: dict[str, Any], record: Record) -> None:
    """Raise ValueError unless the file says of its weights what the record beside them says."""
    said = {name: record.data.get(name) for name in ("shape", "classes", "mean", "std")}
    said |= {"experiment": record.experiment, "seed": record.seed}
    for name, value in said.items():
        if about[name] != value:
            raise ValueError(f"they are of {name} {about[name]!r:.60}, and the record beside them says {value!r:.60}")


def evaluate_run(
    folder: Path, *, data: str = "", data_dir: Path | None = None, device: str = "auto", trust: bool = False
) -> dict[str, Any]:
    """Loss and accuracy (percent) of a finished run's weights over the test set of its own data, or of that named."""
    trained = load_trained(folder, trust=trust)
    source = load(data, directory=data_dir) if data else data_of(trained.record, data_dir)
    if len(source.classes) != len(trained.classes) or tuple(source.test.images.shape[1:]) != trained.shape:
        raise UsageError(
            f"The run of {folder} tells {len(trained.classes)} classes of {trained.shape} images apart; {source.name}"
            f" has {len(source.classes)} of {tuple(source.test.images.shape[1:])}."
        )
    where = environment.device_for(device)
    evaluator = engines.build(
        "auto",
        trained.network.to(where),
        loss=trained.record.recipe["loss"],
        label_smoothing=0.0,
        shape=trained.shape,
        batch=EVALUATION_BATCH,
        device=where,
        threads=environment.cores(),
    )
    test = source.to(where).test
    loss, correct = evaluate(evaluator, test, trained.mean, trained.std)
    return {
        "experiment": trained.record.experiment,
        "data": source.name,
        "holdout": source.holdout,
        "test_loss": loss,
        "test_accuracy": percent(correct, len(test.labels)),
        "correct": correct,
        "tested": len(test.labels),
    }


def data_of(record: Record, directory: Path | None = None) -> Data:
    """The data a record names, loaded again."""
    about = record.data
    return load(about["source"], directory=directory, holdout=about["holdout"], seed=about["seed"])
