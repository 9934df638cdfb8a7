"""The progress of many runs on many machines: one table that is drawn again in place, or a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from featherweight.cli.live import lines_of, note_lines
from featherweight.escape import printable
from featherweight.training.runs.events import Done, Event, Failed, Progress, Spread

MOST_MACHINES = 20
"""Rows of the table; further machines are counted in the last one."""
TELL_SECONDS = 10.0
"""Without a terminal, the seconds between two lines on where runs are."""


class Tally:
    """What is known of all runs together, from their events."""

    def __init__(self, runs: int) -> None:
        self.runs, self.ended = runs, 0
        self.spread = Spread(waiting=runs, running={}, ended={})
        self._parts: dict[str, float] = {}
        self._begun = time.monotonic()

    def take(self, event: Event) -> None:
        """Take an event into account."""
        match event:
            case Spread():
                self.spread = event
            case Progress():
                self._parts[event.label] = ((event.epoch - 1) + event.step / event.steps) / event.epochs
            case Done() | Failed():
                self._parts[event.label] = 1.0
                self.ended += 1

    def lines(self) -> list[str]:
        """The table: a line on all runs, then one for each machine, the busiest first."""
        return table(self.spread, self.runs, self.ended, sum(self._parts.values()), time.monotonic() - self._begun)


def table(spread: Spread, runs: int, ended: int, parts: float, seconds: float) -> list[str]:
    r"""How many runs wait, run and have ended, the rate and the time left; and the same by machine.

    `parts` is how much of all runs has been done, each counting from 0 to 1.

    >>> print("\n".join(table(Spread(waiting=5, running={"b": 1, "a": 2}, ended={"a": 2}), 10, 2, 4.0, 120.0)))
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


@contextmanager
def spread_shown(to: IO[str], runs: int) -> Iterator[Callable[[Event], None]]:
    """Yields a function that shows an event: a live table where `to` is a terminal, else lines; epochs leave rows."""
    tally, rows = Tally(runs), lines_of(labels=True)
    if not to.isatty():
        told = [time.monotonic()]

        def plain(event: Event) -> None:
            tally.take(event)
            lines = [*rows(event), *note_lines(event)]
            if isinstance(event, Done | Failed):
                lines.append(f"{event.label}  ended, {tally.ended} of {runs} runs")
            if isinstance(event, Spread) and time.monotonic() - told[0] > TELL_SECONDS:
                told[0] = time.monotonic()
                where = "; ".join(f"{printable(name)} {many}" for name, many in sorted(event.running.items()))
                lines.append(f"{tally.lines()[0]}; running on {where or 'no machine'}")
            if lines:
                print("\n".join(lines), file=to, flush=True)

        yield plain
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=to)
    with Live(console=console, transient=True, refresh_per_second=4) as live:

        def show(event: Event) -> None:
            tally.take(event)
            for line in [*rows(event), *note_lines(event)]:
                console.print(line, highlight=False, markup=False, soft_wrap=True)
            live.update(Text("\n".join(tally.lines())))

        yield show
