"""What a search is asked for, checked; and what it tells whoever asked: its stages, how it stands, and its outcome."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.engine import require_threads
from featherweight.errors import UsageError, nearest
from featherweight.experiments.record import Sides
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.parallel.pool import capacity
from featherweight.search.fit.cost import LIMITED, Limits
from featherweight.search.fit.search_loop import Snapshot
from featherweight.training.runs.events import Event

LEAST_SECONDS, MOST_SECONDS = 20.0, 366 * 86_400.0
MOST_TRIALS = 100_000


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What is asked for."""

    data: "str | Data"
    accuracy: float | None = None
    """Target in percent of test images, 8-bit C; None for as much as the limits allow."""
    limits: Limits = field(default_factory=Limits)
    minimize: str = "flash"
    minutes: float = 30.0
    point: int | None = None
    """The point of the front that is to be trained to the end and handed over, in place of a search."""
    trials: int | None = None
    """How many candidates are begun, in place of a limit of time; the same are then tried on any machine."""
    seed: int = 0
    out: Path | None = None
    """The folder that is handed over; `fits/NAME` by default."""
    size: Sides | None = None
    group: str | None = None
    """A regular expression that finds, in the path of a picture, what names its group."""
    teacher: Path | None = None
    """A file of another network (.onnx, .pt2, .tflite), from which the chosen network learns beside the labels."""
    balanced: bool = False
    """Whether an accuracy is the mean of the classes' recalls, so that each class counts alike."""
    data_dir: Path | None = None
    cores: int | None = None
    on: Backend = THIS_MACHINE
    """Where candidates and the chosen network are trained."""
    command: str = ""
    """By which the same is asked for again."""

    def __post_init__(self) -> None:
        if self.accuracy is not None and 0 < self.accuracy <= 1:
            raise UsageError(
                f"An accuracy is a percentage, and {self.accuracy:g} means {self.accuracy:g} %; did you mean"
                f" {100 * self.accuracy:g}?"
            )
        if self.accuracy is not None and not 0 < self.accuracy < 100:
            raise UsageError(f"An accuracy is a percentage above 0 and below 100; given {self.accuracy}.")
        if self.minimize not in LIMITED:
            raise UsageError(f"Nothing called {self.minimize!r} can be minimised; {nearest(self.minimize, LIMITED)}")
        if self.cores is not None and self.on.local:
            require_threads(self.cores)
        if self.trials is not None and not 1 <= self.trials <= MOST_TRIALS:
            raise UsageError(f"A search tries 1 to {MOST_TRIALS:,} candidates; given {self.trials}.")
        if self.teacher is not None and not self.on.local:
            raise UsageError("A teacher is a file of this machine; leave --on out, or the teacher.")
        if not LEAST_SECONDS <= 60 * self.minutes <= MOST_SECONDS:
            raise UsageError(
                f"A search takes {LEAST_SECONDS:.0f} seconds or more, up to a year; given {self.minutes:g} minutes."
            )

    @property
    def processes(self) -> int:
        """How many trainings there are at once."""
        return self.cores or capacity(self.on)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A sentence about what was found or is done next."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of the way."""

    folder: Path
    values: dict[str, Any]
    """The figures of `fit.json`, and what they say in words."""
    name: str
    """Of the experiment file and the exports."""

    @property
    def met(self) -> bool:
        """Whether the C program meets the target and the limits."""
        return bool(self.values["met"])

    @property
    def doubtful(self) -> bool:
        """Whether a warning stands in front of the result."""
        return bool(self.values.get("warning"))

    @property
    def sentence(self) -> str:
        """The answer."""
        return str(self.values["sentence"])


News = Stage | Snapshot | Event | Outcome


def size_of(text: "str | int | None", name: str = "a size") -> int | None:
    """Bytes, or any count: a number that may end in k or M (1,024 and its square for bytes).

    >>> size_of("32k"), size_of("1.5M"), size_of(700), size_of(None)
    (32768, 1572864, 700, None)
    """
    if text is None or isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?[bB])?\s*", text)
    if found is None:
        raise UsageError(f"{name} is a number such as 32k, 1.5M or 700; given {text!r:.40}.")
    return round(float(found[1]) * {"": 1, "k": 1024, "m": 1024**2}[found[2].lower()])
