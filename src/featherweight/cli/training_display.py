"""The live display of training, on this machine or on a cluster.

Each epoch leaves a row under a heading that is printed once; the rows fit 80 columns, run names included.
"""

import time
from pathlib import PurePath
from typing import TYPE_CHECKING

from featherweight.cli.display import LINE_SECONDS, NARROW, bars
from featherweight.escape import printable
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Row
from featherweight.training.runs.events import Done, Event, Failed, Note, Progress, Spread

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

NAME_WIDTH = 12
"""Characters of a run's name before its rows, where several run at once."""
MOST_MACHINES = 20
"""Rows of a cluster's table; further machines are counted in the last one."""
CLUSTER_SECONDS = 10.0
"""Without a terminal, the seconds between two lines on where runs are."""


class RunsView:
    """The live display of runs on this machine: a bar for each run's current epoch, and one for all together."""

    def __init__(self, runs: int = 1, *, labels: bool = False) -> None:
        """`labels` puts the run's name before each line; with several `runs`, it also shows how many have ended."""
        self.runs, self.labels = runs, labels
        self.ended = 0
        self.parts: dict[str, float] = {}
        """How much of each run has been done; each counts from 0 to 1, whatever its length."""
        self._headed = False
        self._printed: dict[str, float] = {}
        self._known: dict[str, TaskID] = {}

    def lines(self, event: Event) -> list[str]:
        """The heading before the first row, one row an epoch, errors, and news of machines."""
        match event:
            case Progress():
                self.parts[event.label] = ((event.epoch - 1) + event.step / event.steps) / event.epochs
            case Done() | Failed():
                self.parts[event.label] = 1.0
                self.ended += 1
        match event:
            case Progress(row=Row() as row):
                above = [] if self._headed else [heading(event, self.labels)]
                self._headed = True
                return [*above, self._label(event) + epoch_row(event, row)]
            case Failed():
                return [f"{event.label}: {event.sentence}"]
            case Note():
                return [printable(event.sentence)]
            case _:
                return []

    def _label(self, event: Progress) -> str:
        return f"{_name(event.label)} " * self.labels

    def plain(self, event: Event) -> list[str]:
        """The same, a line of progress now and then within an epoch, and each run's end where there are several."""
        lines, now = self.lines(event), time.monotonic()
        if isinstance(event, Progress):
            if not lines and now - self._printed.setdefault(event.label, now) > LINE_SECONDS:
                lines = self.within_epoch(event)
            if lines:
                self._printed[event.label] = now
        if self.runs > 1 and isinstance(event, Done | Failed):
            lines.append(f"{event.label}  ended, {self.ended} of {self.runs} runs")
        return lines

    def within_epoch(self, event: Progress) -> list[str]:
        """How far an epoch is."""
        return [self._label(event) + running_line(event)]

    def region(self, console: "Console") -> "RichProgress | Live":
        """The bars, each with the time left."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        self._narrow = console.width < NARROW
        bar, left = BarColumn(bar_width=10 if self.labels else 16), TextColumn("left")
        self._bars = bars(
            console, TextColumn("{task.description}"), *([] if self._narrow else [bar]),
            TextColumn("{task.fields[figures]}"), TimeRemainingColumn(compact=True), *([] if self._narrow else [left]),
            speed_estimate_period=120,
        )  # fmt: skip
        self._all = self._bars.add_task("all runs" if self.runs > 1 else "whole run", total=self.runs, figures="")
        return self._bars

    def draw(self, event: Event) -> None:
        """Bring the run's bar, and that of all, up to the event."""
        if isinstance(event, Progress):
            if event.label not in self._known:
                self._known[event.label] = self._bars.add_task("", total=event.steps, figures="")
            epoch = f"{event.epoch}/{event.epochs}"
            self._bars.update(
                self._known[event.label],
                total=event.steps,
                completed=event.step,
                description=_name(event.label) + epoch if self.labels else f"epoch {epoch}",
                figures=_running_figures(event, self._narrow, self.labels),
                refresh=event.row is not None,  # an epoch may be shorter than the time between two drawings
            )
        elif isinstance(event, Done | Failed) and event.label in self._known:
            self._bars.remove_task(self._known.pop(event.label))
        done = sum(self.parts.values())
        ended = f", {sum(part == 1 for part in self.parts.values())}/{self.runs}" if self.runs > 1 else ""
        ended += " ended" if ended and not self._narrow else ""
        self._bars.update(self._all, completed=done, figures=f"{100 * done / self.runs:.0f} %{ended}")


class ClusterView(RunsView):
    """The live display of runs on a cluster: one table of machines."""

    def __init__(self, runs: int) -> None:
        super().__init__(runs, labels=True)
        self._spread = Spread(waiting=runs, running={}, ended={})
        self._begun = self._last = time.monotonic()

    def lines(self, event: Event) -> list[str]:
        """As of runs on this machine."""
        self._spread = event if isinstance(event, Spread) else self._spread
        return super().lines(event)

    def plain(self, event: Event) -> list[str]:
        """The same, and where runs are now and then."""
        lines = super().plain(event)
        if isinstance(event, Done | Failed) and self.runs == 1:
            lines.append(f"{event.label}  ended, {self.ended} of {self.runs} runs")
        if isinstance(event, Spread) and time.monotonic() - self._last > CLUSTER_SECONDS:
            self._last = time.monotonic()
            where = "; ".join(f"{printable(name)} {many}" for name, many in sorted(event.running.items()))
            lines.append(f"{self.table()[0]}; running on {where or 'no machine'}")
        return lines

    def within_epoch(self, event: Progress) -> list[str]:
        """Nothing: there may be too many runs."""
        return []

    def table(self) -> list[str]:
        """A line on all runs, then one for each machine, the busiest first."""
        seconds = time.monotonic() - self._begun
        return cluster_table(self._spread, self.runs, self.ended, sum(self.parts.values()), seconds)

    def region(self, console: "Console") -> "RichProgress | Live":
        """The table."""
        from rich.live import Live

        self._live = Live(console=console, transient=True, refresh_per_second=4)
        return self._live

    def draw(self, event: Event) -> None:
        """Draw the table again."""
        from rich.text import Text

        self._live.update(Text("\n".join(self.table())))


def cluster_table(spread: Spread, runs: int, ended: int, parts: float, seconds: float) -> list[str]:
    r"""How many runs wait, run and have ended, the rate and the time left; and the same by machine.

    `parts` is how much of all runs has been done, each counting from 0 to 1.

    >>> print("\n".join(cluster_table(Spread(waiting=5, running={"b": 1, "a": 2}, ended={"a": 2}), 10, 2, 4.0, 120.0)))
    5 waiting, 3 running, 2 of 10 ended; 1.0 a minute, 3 min left
    machine                        running  ended
    a                                    2      2
    b                                    1      0
    """
    running = sum(spread.running.values())
    left = f"{seconds * (runs - parts) / parts / 60:.0f} min left" if parts > 0 else "time left unknown"
    pace = f"{60 * ended / seconds:.1f} a minute" if ended and seconds else "no rate yet"
    names = sorted(spread.running.keys() | spread.ended.keys(), key=lambda name: (-spread.running.get(name, 0), name))
    rows = [f"{printable(name):30.30} {spread.running.get(name, 0):7} {spread.ended.get(name, 0):6}" for name in names]
    more = [f"and {len(rows) - MOST_MACHINES} more"] * (len(rows) > MOST_MACHINES)
    return [
        f"{spread.waiting} waiting, {running} running, {ended} of {runs} ended; {pace}, {left}",
        f"{'machine':30} running  ended",
        *rows[:MOST_MACHINES],
        *more,
    ]


def heading(progress: Progress, labels: bool = False) -> str:
    """The heading above the rows of epochs while a run trains; `labels` leaves room for run names.

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
    """The row of a finished epoch while a run trains: rate, loss and accuracy in training and on the test set, seconds.

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


def column_notes(recipe: Recipe) -> str:
    """What the columns above mean, and why training may look worse than the test.

    >>> from featherweight.experiments.recipe import Augment
    >>> column_notes(Recipe(plain_epochs=2, augment=Augment(rotate_deg=8), average=0.998))[-97:]
    'the last 2 epochs take them as they are. test: the moving average of the weights, which is saved.'
    """
    changed, plain = bool(recipe.augment), recipe.plain_epochs
    harder = "pictures changed at random, so it may lie below the test" if changed else "pictures as they are"
    hard = ", with hard ones taken more often" if recipe.hard else ""
    take = "epochs take" if plain > 1 else "epoch takes"
    last = f"; the last {plain} {take} them as they are" if changed and plain else ""
    saved = "the moving average of the weights, which is saved" if recipe.average else "the weights so far"
    return f"training: mean over the epoch's steps, on {harder}{hard}{last}. test: {saved}."


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


def _running_figures(event: Progress, narrow: bool, labels: bool) -> str:
    """The running figures beside an epoch's bar: as many as there is room for.

    >>> event = Progress(label="", epoch=2, epochs=15, step=30, steps=90, lr=0.1, loss=0.25, accuracy=92.5,
    ...                  seconds=3, row=None, tested=0, held_out=False)
    >>> _running_figures(event, narrow=False, labels=False), _running_figures(event, narrow=True, labels=True)
    ('loss 0.250  92.50 %  10 steps/s', '92.50 %')
    """
    if narrow:
        return f"{event.accuracy:.2f} %"
    loss = "" if labels else f"loss {event.loss:.3f}  "
    return f"{loss}{event.accuracy:.2f} %  {_pace(event):.0f} steps/s"
