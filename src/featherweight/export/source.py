"""The source of an export: a finished network, what an exported file says of it, and the pictures it is checked on."""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featherweight import data as datasets
from featherweight._version import __version__
from featherweight.data import store
from featherweight.data.dataset import Data
from featherweight.data.sets import SETS
from featherweight.errors import DataError, UsageError
from featherweight.experiments.calibration import Calibration
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, Size
from featherweight.networks.layers.preprocessing import preprocessing_of
from featherweight.training.runs.trained import TrainedModel, data_of, requested_size


@dataclass(frozen=True, kw_only=True)
class Source:
    """A finished network in evaluation mode on the CPU, and the facts about it."""

    name: str
    """The name of its files: letters, digits and underscores, beginning with a letter."""
    network: nn.Module
    shape: tuple[int, int, int]
    """(C, H, W) of a picture."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """One per channel, as is `mean`, for pixels of 0 to 1; a byte p enters as (p / 255 - mean) / std."""
    experiment: str
    seed: int | None
    """None for somebody else's network."""
    parameters: int
    accuracy: float
    """Percent of the test images classified correctly at the last epoch, from the run's record."""
    tested: str
    """A phrase that describes those test images."""
    version: str = __version__
    bits: int = 8
    """Of a weight in C."""
    size: Size = None
    """What was requested for the pictures of its data."""
    calibration: Calibration | None = None
    """By which it answers "none of these"; None if it always names a class."""

    def sentence(self) -> str:
        """One sentence for headers and pages."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"{self.experiment}{seed}: {self.parameters:,} parameters, {self.accuracy:.2f} % of"
            f" {self.tested} right{''.join(f', {word}' for word in preprocessing_of(self.network).words)}"
        )

    def about(self) -> dict[str, Any]:
        """The metadata of an exported file: plain values under fixed names."""
        return {
            "experiment": self.experiment,
            "seed": self.seed,
            "parameters": self.parameters,
            "test_accuracy": self.accuracy,
            "tested": self.tested,
            "classes": list(self.classes),
            "shape": list(self.shape),
            "mean": list(self.mean),
            "std": list(self.std),
            **({"preprocessing": words} if (words := preprocessing_of(self.network).words) else {}),
            "featherweight": self.version,
            **({"calibration": asdict(self.calibration)} if self.calibration else {}),
        }


def source_of(trained: TrainedModel, unknown: bool = False) -> Source:
    """A finished run's network, ready for export; with `unknown`, it answers "none of these" as it was calibrated.

    UsageError if it should and was not calibrated, or on too few pictures.
    """
    if unknown and (trained.calibration is None or trained.calibration.threshold is None):
        few = "on too few pictures for a threshold" if trained.calibration else "never, so it has no threshold"
        raise UsageError(
            f'The run was calibrated {few}, and without one nothing is "none of these"; see `featherweight calibrate'
            " --help`, or leave --unknown out."
        )
    record, data = trained.record, trained.record.data
    experiment = Path(record.experiment).stem
    title = SETS[data["name"]].title if data["name"] in SETS else data["name"]
    held_out = "held-out" if data["holdout"] else "test"
    return Source(
        name=identifier(experiment),
        network=trained.network,
        shape=trained.shape,
        classes=trained.classes,
        mean=trained.mean,
        std=trained.std,
        experiment=experiment,
        seed=record.seed,
        parameters=record.parameters,
        accuracy=record.verdict.last,
        tested=f"{data['test']:,} {held_out} images of {title}",
        bits=Recipe.from_json(record.recipe).bits_in_c,
        size=requested_size(record),
        calibration=trained.calibration if unknown else None,
    )


def identifier(name: str) -> str:
    """A name that C, file systems and the Arduino IDE accept.

    >>> identifier("f3"), identifier("My net (2)"), identifier("3rd")
    ('f3', 'my_net_2', 'net_3rd')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")


def pictures_at_hand(record: Record, directory: Path | None = None) -> Data:
    """The run's data, or the digits embedded in the package if the data are not on this machine and the digits fit.

    In the second case, `note` says so. Raises UsageError if neither can be used.
    """
    about = record.data
    name = about["source"]
    try:
        if name not in SETS or store.is_available(SETS[name], directory):
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
