"""The pictures that an export is calibrated and checked with: those of the run, if they are on this machine."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from featherweight import data as datasets
from featherweight.data import store
from featherweight.data.dataset import Data
from featherweight.data.sets import SETS
from featherweight.errors import DataError, UsageError
from featherweight.experiments.record import Record
from featherweight.training.runs.trained import data_of


def pictures_at_hand(record: Record, directory: Path | None = None) -> Data:
    """The run's data, or the digits embedded in the package if the data are not on this machine and the digits fit.

    In the second case, `note` says so. Raises UsageError if neither can be used.
    """
    about = record.data
    name = about["source"]
    try:
        if name not in SETS or store.is_here(SETS[name], directory):
            return data_of(record, directory)
        missing = f"{name} is not on this machine"
    except (DataError, UsageError) as problem:
        missing = str(problem).rstrip(".")
    embedded = datasets.load("digits")
    same = list(embedded.train.images.shape[1:]) == list(about["shape"]) and list(embedded.classes) == about["classes"]
    if not same:
        raise UsageError(
            f"An export is checked on pictures of the kind it was trained on, but none were found: {missing}; put the"
            " data where it was, or name its folder with --data-dir."
        )
    return replace(embedded, note=f"{missing}; the digits embedded in the package stand in for it.")


def calibration_of(data: Data, count: int = 1000) -> tuple[Tensor, str]:
    """At most `count` training pictures, evenly spread, uint8 [N C H W]; and a phrase that describes them."""
    total = len(data.train)
    chosen = torch.arange(0, total, max(1, total // count))[:count]
    return data.train.images[chosen], f"{len(chosen):,} of the {total:,} training images of {data.name}"
