"""The events that a training run emits. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

from featherweight.experiments.record import Record, Row


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run is ready for its first step or, if resumed, for its next one."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A run has made progress."""

    label: str
    epoch: int
    """The current epoch, or the one just finished if `row` is set; counted from 1."""
    epochs: int
    step: int
    steps: int
    lr: float
    loss: float
    """Mean training loss over the epoch so far."""
    accuracy: float
    """Training accuracy over the epoch so far, in percent."""
    seconds: float
    """Time spent on this epoch."""
    row: Row | None
    """The epoch's figures if it has just been evaluated."""
    tested: int
    """Number of images in an evaluation."""
    held_out: bool
    """Whether these are held out of the training set."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A run has finished."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run has raised an error or was interrupted."""

    label: str
    sentence: str
    exit_status: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How many runs wait, and how many are under way or have ended on each machine of a cluster."""

    waiting: int
    running: dict[str, int]
    ended: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that has happened to the machines, in a sentence."""

    sentence: str


Event = Started | Progress | Done | Failed | Spread | Note
