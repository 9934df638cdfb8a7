"""The progress of training and downloads: live bars on a terminal, plain lines elsewhere.

Each epoch leaves a row under a heading that is printed once; the rows fit 80 columns, run names included.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import PurePath
from typing import IO, TYPE_CHECKING

from featherweight.escape import printable
from featherweight.experiments.record import Row
from featherweight.training.runs.events import Done, Event, Failed, Note, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

TELL_SECONDS = 5.0
"""Without a terminal, the seconds between two lines of progress within an epoch."""
NAME_WIDTH = 12
"""Characters of a run's name before its rows, where several run at once."""
NARROW = 78
"""Columns below which the figures stand without a bar, so that none is cut off."""


def heading(progress: Progress, labels: bool = False) -> str:
    """The heading above the rows of `epoch_row`; `labels` leaves room for run names.

    >>> print(heading(Progress(label="", epoch=1, epochs=15, step=9, steps=9, lr=0.1, loss=0.2, accuracy=95, seconds=7,
    ...                        row=None, tested=10_000, held_out=False)))
                    training         test: 10,000 images
    epoch     rate    loss       %    loss       %   right       s
    """
    margin = " " * (NAME_WIDTH + 1) * labels
    names = f"{'run, seed':{NAME_WIDTH}} " * labels
    on = f"{'held out' if progress.held_out else 'test'}: {progress.tested:,} images"
    return (
        f"{margin}{'':14}  {'training':15}  {on}\n"
        f"{names}{'epoch':>5} {'rate':>8} {'loss':>7} {'%':>7} {'loss':>7} {'%':>7} {'right':>7} {'s':>7}"
    )


def epoch_row(progress: Progress, row: Row) -> str:
    """A finished epoch: rate, loss and accuracy in training, loss, accuracy and count on the test set, and seconds.

    >>> row = Row(epoch=2, lr=0.1, train_loss=0.2, train_accuracy=95, test_loss=0.05, test_accuracy=98.5, seconds=7)
    >>> print(epoch_row(Progress(label="", epoch=2, epochs=15, step=9, steps=9, lr=0.1, loss=0.2, accuracy=95,
    ...                          seconds=7, row=row, tested=200, held_out=False), row))
     2/15      0.1  0.2000   95.00  0.0500   98.50     197       7
    """
    right = round(row.test_accuracy * progress.tested / 100)
    return (
        f"{f'{row.epoch}/{progress.epochs}':>5} {row.lr:8.3g} {row.train_loss:7.4f} {row.train_accuracy:7.2f}"
        f" {row.test_loss:7.4f} {row.test_accuracy:7.2f} {right:7} {row.seconds:7.3g}"
    )


def running_line(progress: Progress) -> str:
    """The progress of the current epoch: steps, rate, running figures, pace, and the time left.

    >>> running_line(Progress(label="", epoch=2, epochs=15, step=30, steps=90, lr=0.1, loss=0.25, accuracy=92.5,
    ...                       seconds=3, row=None, tested=0, held_out=False))
    'epoch 2/15, step 30/90, rate 0.1, loss 0.2500, 92.50 %, 10 steps/s, 6 s left'
    """
    pace = _pace(progress)
    left = (progress.steps - progress.step) / pace if pace else 0.0
    return (
        f"epoch {progress.epoch}/{progress.epochs}, step {progress.step}/{progress.steps}, rate {progress.lr:.3g},"
        f" loss {progress.loss:.4f}, {progress.accuracy:.2f} %, {pace:.0f} steps/s, {left:.0f} s left"
    )


def _pace(progress: Progress) -> float:
    """Steps per second in the current epoch."""
    return progress.step / progress.seconds if progress.seconds else 0.0


def _name(label: str) -> str:
    """A run's name as printed before its rows: experiment and seed; an experiment's file without its folder.

    >>> _name("some/where/mine.py seed 3"), _name("a10 seed 12")
    ('mine 3      ', 'a10 12      ')
    """
    path, _, seed = label.partition(" seed ")
    return f"{PurePath(path).name.removesuffix('.py')} {seed}".ljust(NAME_WIDTH)


@contextmanager
def shown(to: IO[str], labels: bool, runs: int = 1) -> Iterator[Callable[[Event], None]]:
    """Yields a function that shows an event: live bars where `to` is a terminal, else plain lines.

    `labels` puts the run's name before each line, for several at once; with more than one of the `runs`, it also shows
    how many have ended.
    """
    if to.isatty():
        with _live(to, labels, runs) as show:
            yield show
    else:
        yield _plain(to, labels, runs)


@contextmanager
def waiting(to: IO[str]) -> Iterator[Callable[[str, float], None]]:
    """Yields a function of (current work, share done, 0 to 1): one bar on a terminal, else a line now and then."""
    if not to.isatty():
        told = [0.0]

        def line(label: str, share: float) -> None:
            if time.monotonic() - told[0] >= TELL_SECONDS:
                told[0] = time.monotonic()
                print(f"{share:4.0%} {label}", file=to, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn

    console = Console(file=to)
    bar = [BarColumn(bar_width=20)] if console.width >= NARROW else []
    with _bars()(*bar, TaskProgressColumn(), TextColumn("{task.description}"), console=console, transient=True) as bars:
        task = bars.add_task("", total=1.0)
        yield lambda label, share: bars.update(task, description=label, completed=share)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Shows on a terminal what is under way, and for how long; without one, nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with _bars()(*columns, console=_errors(), transient=True) as bars:
        bars.add_task(what, total=None)
        yield


@cache
def _errors() -> "Console":
    # One console for all displays on standard error: only then can one of them stand within another.
    from rich.console import Console

    return Console(stderr=True)


@cache
def _bars() -> "type[RichProgress]":
    from rich.progress import Progress as RichProgress

    class Bars(RichProgress):
        """Bars that are drawn at the end of each epoch alone if the system refuses the thread that draws them."""

        def start(self) -> None:
            try:
                super().start()
            except RuntimeError:
                self.live.auto_refresh = False

    return Bars


@contextmanager
def downloads() -> Iterator[Callable[[str, int, int | None], None]]:
    """Yields a function that shows a download's progress on standard error: (file, bytes so far, bytes in total)."""
    if not sys.stderr.isatty():
        yield _said_once()
        return
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    known: dict[str, TaskID] = {}
    with _bars()(*columns, TimeRemainingColumn(), console=_errors()) as bars:

        def show(file: str, done: int, total: int | None) -> None:
            if file not in known:
                known[file] = bars.add_task(file, total=total)
            bars.update(known[file], completed=done, total=total)

        yield show


def _said_once() -> Callable[[str, int, int | None], None]:
    """Prints one line when a file's download begins; a bar would fill a log."""
    said: set[str] = set()

    def show(file: str, done: int, total: int | None) -> None:
        if file not in said:
            said.add(file)
            print(f"downloading {file}", file=sys.stderr, flush=True)

    return show


def lines_of(labels: bool) -> Callable[[Event], list[str]]:
    """The lines an event leaves behind: the heading before the first row, one row per epoch, and errors."""
    headed = False

    def lines(event: Event) -> list[str]:
        nonlocal headed
        match event:
            case Progress(row=Row() as row):
                above = [] if headed else [heading(event, labels)]
                headed = True
                return [*above, f"{_name(event.label)} " * labels + epoch_row(event, row)]
            case Failed():
                return [f"{event.label}: {event.sentence}"]
            case _:
                return []

    return lines


def note_lines(event: Event) -> list[str]:
    """The line for news of the machines; none for other events."""
    return [printable(event.sentence)] if isinstance(event, Note) else []


def _plain(to: IO[str], labels: bool, runs: int) -> Callable[[Event], None]:
    ended = 0
    told: dict[str, float] = {}
    rows = lines_of(labels)

    def show(event: Event) -> None:
        nonlocal ended
        lines, now = rows(event), time.monotonic()
        if not lines and isinstance(event, Progress) and now - told.setdefault(event.label, now) > TELL_SECONDS:
            lines = [f"{_name(event.label)} " * labels + running_line(event)]
        if lines:
            if isinstance(event, Progress):
                told[event.label] = now
            print("\n".join(lines), file=to, flush=True)
        if runs > 1 and isinstance(event, Done | Failed):
            ended += 1
            print(f"{event.label}  ended, {ended} of {runs} runs", file=to, flush=True)

    return show


@contextmanager
def _live(to: IO[str], labels: bool, runs: int) -> Iterator[Callable[[Event], None]]:
    """A bar for each run's current epoch, and one for all runs together, each with the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn

    console = Console(file=to)
    narrow = console.width < NARROW
    bars = _bars()(
        TextColumn("{task.description}"),
        *([] if narrow else [BarColumn(bar_width=10 if labels else 16)]),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        *([] if narrow else [TextColumn("left")]),
        console=console,
        transient=True,
        speed_estimate_period=120,
    )
    known: dict[str, TaskID] = {}
    # In the bar of all runs, each counts from 0 to 1, whatever its length.
    parts: dict[str, float] = {}
    together = bars.add_task("all runs" if runs > 1 else "whole run", total=runs, figures="")
    rows = lines_of(labels)

    def show(event: Event) -> None:
        for line in rows(event):
            bars.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if isinstance(event, Progress):
            if event.label not in known:
                known[event.label] = bars.add_task("", total=event.steps, figures="")
            epoch = f"{event.epoch}/{event.epochs}"
            bars.update(
                known[event.label],
                total=event.steps,
                completed=event.step,
                description=_name(event.label) + epoch if labels else f"epoch {epoch}",
                figures=_figures(event, narrow, labels),
                refresh=event.row is not None,  # an epoch may be shorter than the time between two drawings
            )
            parts[event.label] = ((event.epoch - 1) + event.step / event.steps) / event.epochs
        elif isinstance(event, Done | Failed):
            parts[event.label] = 1.0
            if event.label in known:
                bars.remove_task(known.pop(event.label))
        done = sum(parts.values())
        ended = f", {sum(part == 1 for part in parts.values())}/{runs}" if runs > 1 else ""
        ended += " ended" if ended and not narrow else ""
        bars.update(together, completed=done, figures=f"{100 * done / runs:.0f} %{ended}")

    with bars:
        yield show


def _figures(event: Progress, narrow: bool, labels: bool) -> str:
    """The running figures beside an epoch's bar: as many as there is room for.

    >>> event = Progress(label="", epoch=2, epochs=15, step=30, steps=90, lr=0.1, loss=0.25, accuracy=92.5,
    ...                  seconds=3, row=None, tested=0, held_out=False)
    >>> _figures(event, narrow=False, labels=False), _figures(event, narrow=True, labels=True)
    ('loss 0.250  92.50 %  10 steps/s', '92.50 %')
    """
    if narrow:
        return f"{event.accuracy:.2f} %"
    loss = "" if labels else f"loss {event.loss:.3f}  "
    return f"{loss}{event.accuracy:.2f} %  {_pace(event):.0f} steps/s"
