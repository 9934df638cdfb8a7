"""A data set loaded for somebody who watches: a download shows how it comes on."""

from pathlib import Path

from featherweight import data as datasets
from featherweight.data import Data
from featherweight.progress import downloads


def load_shown(name: str, *, directory: Path | None = None, holdout: int = 0, seed: int = 0) -> Data:
    """As `data.load`, with the progress of downloads on standard error."""
    with downloads() as show:
        return datasets.load(name, directory=directory, holdout=holdout, seed=seed, progress=show)
