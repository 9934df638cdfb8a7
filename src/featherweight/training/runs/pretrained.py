"""Pretrained networks that come with the package, usable without training anything.

They are unmodified folders of finished runs, under `experiments/records/weights/`.
"""

from pathlib import Path

from featherweight.errors import UsageError, nearest
from featherweight.experiments.experiment import PACKAGED, RECORDS
from featherweight.io import is_folder, is_there
from featherweight.training.runs.folders import run_of
from featherweight.training.runs.trained import TrainedModel, load_trained

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
