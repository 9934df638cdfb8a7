"""What a training run tells while it goes on. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

from featherweight.experiments.record import Record, Row


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run that is ready for its first step, or for its next one where it was resumed."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands."""

    label: str
    epoch: int
    """The one under way, or just finished where `row` is set; from 1."""
    epochs: int
    step: int
    steps: int
    lr: float
    loss: float
    """Mean over the epoch so far."""
    accuracy: float
    """Percent over the epoch so far."""
    seconds: float
    """Of this epoch."""
    row: Row | None
    """Set when the epoch has just been evaluated."""
    tested: int
    """Images it was evaluated on."""
    held_out: bool
    """Whether those are held out of the training set."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished run."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run that raised an error."""

    label: str
    sentence: str
    exit_status: int


Event = Started | Progress | Done | Failed
