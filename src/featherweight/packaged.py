"""Networks that come with the package, so that there is something to use before anything is trained.

Each is a run's weights and its record, unchanged, under `weights/`: NAME.safetensors and NAME.json.
"""

from pathlib import Path

from featherweight.errors import UsageError, nearest
from featherweight.record import read_record
from featherweight.trained import Trained, load_trained, read_trained

FOLDER = Path(__file__).parent / "weights"


def names() -> list[str]:
    """Of the networks in the package.

    >>> names()
    ['f3']
    """
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def load_packaged(name: str) -> Trained:
    """The network of that name; UsageError when the package has none.

    >>> load_packaged("f3").record.parameters
    7570
    """
    if name not in names():
        raise UsageError(f"There is no network {name!r} in the package; {nearest(name, names())}")
    return read_trained(FOLDER / f"{name}.safetensors", read_record(FOLDER / f"{name}.json"))


def load_any(run: str) -> Trained:
    """The network of a run's folder, or the one in the package that has this name; UsageError when it is neither."""
    if Path(run).exists() or "/" in run:
        return load_trained(Path(run))
    if run in names():
        return load_packaged(run)
    raise UsageError(f"There is no run folder {run!r} and no such network in the package; {nearest(run, names())}")
