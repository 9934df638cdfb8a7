"""The events that a training run emits, and how a notebook shows them as plain text. Needs no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.experiments.record import Record, Row
from featherweight.experiments.verdicts import verdict_sentence

if TYPE_CHECKING:
    from featherweight.training.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Started:
    """The event that a run is ready for its first step or, if resumed, for its next one."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The event that a run has made progress."""

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
    """The event that a run has finished."""

    label: str
    folder: Path
    record: Record


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The event that a run has raised an error or was interrupted."""

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
    """The event that something has happened to the machines, in a sentence."""

    sentence: str


Event = Started | Progress | Done | Failed | Spread | Note


BAR = 30
"""Characters."""


def live(run: "Run") -> Callable[[Event], None]:
    """A function that takes each event of the run and shows how it comes on below the notebook's cell."""
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    return shower(run.introduction(), lambda text: handle.update({"text/plain": text}, raw=True))


def shower(introduction: Sequence[str], draw: Callable[[str], None]) -> Callable[[Event], None]:
    """A function that takes each event of one run and hands `draw` the whole text to be shown from then on."""
    lines = [
        *introduction,
        "",
        f"{'epoch':>5} {'rate':>8} {'loss':>7} {'training':>9} {'loss':>7} {'test':>9} {'seconds':>8}",
    ]

    def show(event: Event) -> None:
        if isinstance(event, Progress):
            if event.row is not None:
                lines.append(row_line(event.row))
            draw("\n".join([*lines, "", bar(event)]))
        elif isinstance(event, Done):
            draw("\n".join([*lines, "", verdict_sentence(event.record)]))

    return show


def row_line(row: Row) -> str:
    """A finished epoch as a line of text: its rate, then loss and accuracy of training and test.

    >>> row_line(Row(epoch=2, lr=0.1, train_loss=0.2, train_accuracy=95, test_loss=0.05, test_accuracy=98.5, seconds=7))
    '    2      0.1  0.2000   95.00 %  0.0500   98.50 %        7'
    """
    train = f"{row.train_loss:7.4f} {row.train_accuracy:7.2f} %"
    test = f"{row.test_loss:7.4f} {row.test_accuracy:7.2f} %"
    return f"{row.epoch:5d} {row.lr:8.3g} {train} {test} {row.seconds:8.3g}"


def bar(progress: Progress) -> str:
    """The progress of a run as one line of text.

    >>> bar(Progress(label="", epoch=2, epochs=4, step=30, steps=60, lr=0.1, loss=0.25, accuracy=92.5, seconds=3,
    ...              row=None, tested=0, held_out=False))
    '[███████████···················] epoch 2 of 4, loss 0.250, 92.50 %, 10 steps/s'
    """
    done = ((progress.epoch - 1) + progress.step / progress.steps) / progress.epochs
    filled = round(BAR * done)
    pace = progress.step / progress.seconds if progress.seconds else 0.0
    return (
        f"[{'█' * filled}{'·' * (BAR - filled)}] epoch {progress.epoch} of {progress.epochs},"
        f" loss {progress.loss:.3f}, {progress.accuracy:.2f} %, {pace:.0f} steps/s"
    )
