"""Training and downloads shown as they go on: live bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from featherweight.experiments.record import Row
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started

TELL_SECONDS = 5.0
"""Without a terminal, an epoch under way tells where it stands this often."""


def epoch_line(progress: Progress, row: Row) -> str:
    """The line an epoch leaves: rate, training figures, then the test set's loss and count.

    >>> row = Row(epoch=2, lr=0.1, train_loss=0.2, train_accuracy=95, test_loss=0.05, test_accuracy=98.5, seconds=7)
    >>> print(epoch_line(Progress(label="", epoch=2, epochs=15, step=9, steps=9, lr=0.1, loss=0.2, accuracy=95,
    ...                           seconds=7, row=row, tested=200, held_out=False), row))
    epoch  2/15  lr 0.1      train loss 0.2000  95.00 %  Test set: Average loss: 0.0500, Accuracy: 197/200 (98.50%)  7 s
    """
    correct = round(row.test_accuracy * progress.tested / 100)
    on = "Held-out set" if progress.held_out else "Test set"
    return (
        f"epoch {row.epoch:2d}/{progress.epochs}  lr {row.lr:<8.4g} train loss {row.train_loss:.4f}"
        f"  {row.train_accuracy:.2f} %  {on}: Average loss: {row.test_loss:.4f},"
        f" Accuracy: {correct}/{progress.tested} ({row.test_accuracy:.2f}%)  {row.seconds:.3g} s"
    )


@contextmanager
def shown(to: IO[str], labels: bool, runs: int = 1) -> Iterator[Callable[[Event], None]]:
    """Yields a function that shows an event: live bars where `to` is a terminal, else plain lines.

    `labels` puts the run's name before each line, for several at once; of more than one of the `runs`, it is also told
    how many have ended.
    """
    if to.isatty():
        with _live(to, labels, runs) as show:
            yield show
    else:
        yield _plain(to, labels, runs)


@contextmanager
def downloads() -> Iterator[Callable[[str, int, int | None], None]]:
    """Yields a function that shows how a download comes on, on standard error: (file, bytes so far, bytes in all)."""
    if not sys.stderr.isatty():
        yield _said_once()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    known: dict[str, TaskID] = {}
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:

        def show(file: str, done: int, total: int | None) -> None:
            if file not in known:
                known[file] = bars.add_task(file, total=total)
            bars.update(known[file], completed=done, total=total)

        yield show


def _said_once() -> Callable[[str, int, int | None], None]:
    """A line when a file begins; a bar would fill a log."""
    said: set[str] = set()

    def show(file: str, done: int, total: int | None) -> None:
        if file not in said:
            said.add(file)
            print(f"downloading {file}", file=sys.stderr, flush=True)

    return show


def _line_of(event: Event, labels: bool) -> str | None:
    prefix = f"{event.label}  " if labels else ""
    match event:
        case Progress(row=Row() as row):
            return prefix + epoch_line(event, row)
        case Failed():
            return f"{event.label}: {event.sentence}"
        case _:
            return None


def running_line(progress: Progress) -> str:
    """Where an epoch under way stands: steps, rate, running figures, pace, and the time that it still takes.

    >>> running_line(Progress(label="", epoch=2, epochs=15, step=30, steps=90, lr=0.1, loss=0.25, accuracy=92.5,
    ...                       seconds=3, row=None, tested=0, held_out=False))
    'epoch  2/15  step 30/90  lr 0.1  loss 0.2500  92.50 %  10 steps/s  6 s left in the epoch'
    """
    pace = progress.step / progress.seconds if progress.seconds else 0.0
    left = (progress.steps - progress.step) / pace if pace else 0.0
    return (
        f"epoch {progress.epoch:2d}/{progress.epochs}  step {progress.step}/{progress.steps}  lr {progress.lr:.4g}"
        f"  loss {progress.loss:.4f}  {progress.accuracy:.2f} %  {pace:.0f} steps/s  {left:.0f} s left in the epoch"
    )


def _plain(to: IO[str], labels: bool, runs: int) -> Callable[[Event], None]:
    ended = 0
    told: dict[str, float] = {}

    def show(event: Event) -> None:
        nonlocal ended
        line = _line_of(event, labels)
        now = time.monotonic()
        if line is None and isinstance(event, Progress) and now - told.setdefault(event.label, now) > TELL_SECONDS:
            line = f"{event.label}  " * labels + running_line(event)
        if line is not None:
            told[event.label] = now
        if line is not None:
            print(line, file=to, flush=True)
        if runs > 1 and isinstance(event, Done | Failed):
            ended += 1
            print(f"{event.label}  has ended, {ended} of {runs} runs", file=to, flush=True)

    return show


@contextmanager
def _live(to: IO[str], labels: bool, runs: int) -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=Console(file=to),
        transient=True,
    )
    known: dict[str, TaskID] = {}
    # Of all runs together each counts from 0 to 1, whatever its length.
    parts: dict[str, float] = {}
    together = bars.add_task("all runs", total=runs, figures="", visible=runs > 1)

    def show(event: Event) -> None:
        line = _line_of(event, labels)
        if line is not None:
            bars.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if isinstance(event, Progress):
            if event.label not in known:
                known[event.label] = bars.add_task("", total=event.epochs * event.steps, figures="")
            pace = event.step / event.seconds if event.seconds else 0.0
            name = f"{event.label}  " if labels else ""
            bars.update(
                known[event.label],
                completed=(event.epoch - 1) * event.steps + event.step,
                description=f"{name}epoch {event.epoch}/{event.epochs}",
                figures=f"lr {event.lr:.3g}  loss {event.loss:.3f}  {event.accuracy:.2f} %  {pace:.0f} steps/s",
            )
            parts[event.label] = ((event.epoch - 1) + event.step / event.steps) / event.epochs
        elif not isinstance(event, Started):
            parts[event.label] = 1.0
            if event.label in known:
                bars.remove_task(known.pop(event.label))
        bars.update(
            together, completed=sum(parts.values()), figures=f"{sum(part == 1 for part in parts.values())} ended"
        )

    with bars:
        yield show
