"""Networks that come with the package, so that there is something to use before anything is trained.

They are folders of finished runs under `weights/`, as training left them.
"""

from pathlib import Path

from featherweight.errors import UsageError, nearest
from featherweight.training.runs.trained import TrainedModel, load_trained

FOLDER = Path(__file__).parent / "weights"
SEED = "-seed0"
"""What stands for an experiment that is named without a seed: fixed beforehand, not chosen by accuracy."""


def names() -> list[str]:
    """Of the networks in the package; an experiment's own name means its seed 0.

    >>> names()[:2]
    ['f3', 'f3-seed0']
    """
    runs = {path.parent.name for path in FOLDER.glob("*/weights.safetensors")}
    return sorted(runs | {run.removesuffix(SEED) for run in runs})


def load_pretrained(name: str) -> TrainedModel:
    """The network of that name; UsageError when the package has none.

    >>> load_pretrained("f3").record.parameters
    7864
    """
    if name not in names():
        raise UsageError(f"There is no network {name!r} in the package; {nearest(name, names())}")
    folder = FOLDER / name
    return load_trained(folder if folder.is_dir() else FOLDER / f"{name}{SEED}")


def load_any(run: str, *, trust: bool = False) -> TrainedModel:
    """The network of a run's folder, or the one in the package that has this name; UsageError when it is neither.

    `trust` is as for `load_trained`.
    """
    if Path(run).exists() or "/" in run:
        return load_trained(Path(run), trust=trust)
    if run in names():
        return load_pretrained(run)
    raise UsageError(f"There is no run folder {run!r} and no such network in the package; {nearest(run, names())}")
