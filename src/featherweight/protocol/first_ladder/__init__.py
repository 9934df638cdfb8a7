"""A ladder to begin with: three small experiments that work on any pictures, with targets and analyses to fill in."""

from pathlib import Path

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.escape import in_docstring
from featherweight.io import make_folders, write_text

STEPS = ("step1.py", "step2.py", "step3.py")
ACCURACY = 95.0
"""Percent that every step is to reach; a ladder's targets are its author's."""


def write_first_ladder(folder: Path, data: Data | None, on: str = "") -> list[Path]:
    """Write the three files and return their paths; UsageError where the folder holds anything.

    The networks take the pictures and classes of `data`, and others; `on` are the options that name it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; name a new one for the ladder.")
    channels, classes = (1, 10) if data is None else (int(data.train.images.shape[1]), len(data.classes))
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    words = {
        "about": "MNIST" if data is None else in_docstring(data.name),
        "folder": in_docstring(str(folder)),
        "on": in_docstring(on),
        "channels": channels,
        "classes": classes,
        "accuracy": f"{ACCURACY:g}",
        "target": f"{ACCURACY:g} %",
        "parameters": 5000 + 25 * classes,
    }
    make_folders(folder)
    for name in STEPS:
        write_text(folder / name, made.get_template(f"{name}.j2").render(words))
    return [folder / name for name in STEPS]
