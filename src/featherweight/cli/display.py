"""Live displays on a terminal: lines and a live region under them on a terminal, lines alone elsewhere.

What is shown, and where, says a view; each verb that takes its time has one. Waits of a known length, or of none, and
downloads need no view.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.table import Table

LINE_SECONDS = 5.0
"""Without a terminal, the seconds between two lines of progress."""
NARROW = 78
"""Columns below which the figures stand without a bar, so that none is cut off."""


class View(Protocol):
    """What a live display shows of events: lines, and a region that is redrawn."""

    def lines(self, event: Any) -> list[str]:
        """What stays on the screen."""

    def plain(self, event: Any) -> list[str]:
        """The same without a terminal, where nothing is redrawn."""

    def region(self, console: "Console") -> AbstractContextManager[Any]:
        """What is redrawn in place while events come."""

    def draw(self, event: Any) -> None:
        """Redraw it."""


@contextmanager
def shown(to: IO[str], view: View) -> Iterator[Callable[[Any], None]]:
    """Yields a function that shows an event: with a live region where `to` is a terminal, else as plain lines."""
    if not to.isatty():

        def plain(event: Any) -> None:
            if lines := view.plain(event):
                print("\n".join(lines), file=to, flush=True)

        yield plain
        return
    from rich.console import Console

    console = Console(file=to)
    with view.region(console):

        def live(event: Any) -> None:
            for line in view.lines(event):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
            view.draw(event)

        yield live


def bars(console: "Console", *columns: Any, **settings: Any) -> "RichProgress":
    """A progress bar of these columns, which leaves nothing behind."""
    return _bars()(*columns, console=console, **{"transient": True, **settings})


@contextmanager
def waiting(to: IO[str]) -> Iterator[Callable[[str, float], None]]:
    """Yields a function of (current work, share done, 0 to 1): one bar on a terminal, else a line now and then."""
    if not to.isatty():
        printed = [0.0]

        def line(label: str, share: float) -> None:
            if time.monotonic() - printed[0] >= LINE_SECONDS:
                printed[0] = time.monotonic()
                print(f"{share:4.0%} {label}", file=to, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn

    console = Console(file=to)
    bar = [BarColumn(bar_width=20)] if console.width >= NARROW else []
    with bars(console, *bar, TaskProgressColumn(), TextColumn("{task.description}")) as drawn:
        task = drawn.add_task("", total=1.0)
        yield lambda label, share: drawn.update(task, description=label, completed=share)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Shows on a terminal what is under way, and for how long; without one, nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with bars(_errors(), *columns) as drawn:
        drawn.add_task(what, total=None)
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
        yield _named_once()
        return
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    known: dict[str, TaskID] = {}
    with bars(_errors(), *columns, TimeRemainingColumn(), transient=False) as drawn:

        def show(file: str, done: int, total: int | None) -> None:
            if file not in known:
                known[file] = drawn.add_task(file, total=total)
            drawn.update(known[file], completed=done, total=total)

        yield show


def _named_once() -> Callable[[str, int, int | None], None]:
    """Prints one line when a file's download begins; a bar would fill a log."""
    named: set[str] = set()

    def show(file: str, done: int, total: int | None) -> None:
        if file not in named:
            named.add(file)
            print(f"downloading {file}", file=sys.stderr, flush=True)

    return show


def print_table(table: "Table") -> None:
    """Print a table at its full width: a narrower terminal wraps its lines, so no figure is cut off."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=500), table).maximum
    console.width = max(console.width, needed)
    console.print(table)
