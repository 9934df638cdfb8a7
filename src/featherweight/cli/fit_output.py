"""A search for pictures and a chip at a console: what is tried, the best so far and the time left; then the answer."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.cli.display import bars, shown
from featherweight.cli.safe_output import reader_may_go, wrap
from featherweight.escape import printable
from featherweight.experiments.statistics import accuracy_interval
from featherweight.search.fit.card import CARD, PAGE
from featherweight.search.fit.cost import kilobytes
from featherweight.search.fit.package_result import EXPORTS
from featherweight.search.fit.pipeline import run_fit, show_front
from featherweight.search.fit.request import FitRequest, News, Outcome, Stage
from featherweight.search.fit.result_words import doubt_lines, result_lines
from featherweight.search.fit.search_loop import Snapshot
from featherweight.search.fit.trial import Trial
from featherweight.training.runs.events import Done, Progress
from featherweight.training.runs.signals import stop_signals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

NOT_MET = 1
RUNGS = ("1/9", "1/3", "all")


def run(asked: FitRequest, as_json: bool) -> int:
    """Carry it out and print what it found; 0 if all that was asked for is met without a warning, 1 if not, a signal's
    status if stopped.

    The first Ctrl-C ends the search, and the best network so far is finished; a second one stops that too.
    """
    to = sys.stderr if as_json else sys.stdout
    outcome: Outcome | None = None
    with reader_may_go(asked.out or Path("fits")), shown(to, _View(asked)) as show, stop_signals() as signals:
        for news in run_fit(asked, lambda: bool(signals)):
            show(news)
            outcome = news if isinstance(news, Outcome) else outcome
    assert outcome is not None
    if as_json:
        print(json.dumps(document(outcome), allow_nan=False))
    else:
        print(wrap(answer(outcome), sys.stdout))
    return 0 if outcome.met and not outcome.doubtful else NOT_MET


def show(asked: FitRequest, as_json: bool) -> int:
    """Print the front of what is known, as a table or as one JSON document; 0."""
    points, lines = show_front(asked)
    print(json.dumps({"front": points}, allow_nan=False) if as_json else wrap("\n".join(lines), sys.stdout))
    return 0


def document(outcome: Outcome) -> dict[str, Any]:
    """The one document of --json; `details` has every figure."""
    values, found, out = outcome.values, outcome.values["c"], outcome.folder
    right = round(found["float_accuracy"] * found["images"] / 100)
    files = {
        "c": out / EXPORTS / outcome.name, "onnx": out / EXPORTS / f"{outcome.name}.onnx", "report": out / PAGE,
        "card": out / CARD,
    }  # fmt: skip
    return {
        "data": values["data"]["name"],
        "classes": values["data"]["classes"],
        "target": values["asked"]["accuracy"],
        "limits": values["asked"]["limits"],
        "met": values["met"],
        "network": {name: values["cost"][name] for name in ("parameters", "macs", "flash", "ram")},
        "accuracy": found["float_accuracy"],
        "interval": list(accuracy_interval(right, found["images"])),
        "accuracy_in_c": found["accuracy"],
        "interval_in_c": found["interval"],
        "trials": values["search"]["candidates"],
        "seconds": values["search"]["seconds"],
        "experiment": str(out / f"{outcome.name}.py"),
        "run": str(out / values["runs"][0]["folder"]),
        "files": {name: str(path) if path.exists() else None for name, path in files.items()},
        "sentence": values["sentence"],
        "warning": values.get("warning"),
        "details": values,
    }


def answer(outcome: Outcome) -> str:
    """The answer in a few lines, and what to do next."""
    values, found = outcome.values, outcome.values["c"]
    first = values["sentence"][0].upper() + values["sentence"][1:] + "."
    low, high = found["interval"]
    forms = "C, Arduino, ONNX" if (outcome.folder / EXPORTS / f"{outcome.name}.onnx").exists() else "C, Arduino"
    return "\n".join([
        "",
        *map(printable, doubt_lines(values)),
        printable(first),
        f"{_kind(values)}: {found['accuracy']:.2f} % of {found['images']:,} test images ({low:.2f} to {high:.2f});"
        f" before quantisation {found['float_accuracy']:.2f} %.",
        *map(printable, result_lines(values)),
        f"In {printable(outcome.folder)}: MODEL_CARD.md, report.html, export/ ({forms}), runs/.",
    ])  # fmt: skip


def trial_line(trial: Trial) -> str:
    """A finished rung of a candidate.

    The last column is the share of the epochs that a finished network gets.
    """
    if trial.failed:
        return f"{trial.number:5}  gave no result: {printable(trial.failed)}"
    cost = trial.price
    flash, ram = kilobytes(cost.flash), kilobytes(cost.ram)
    shape = "x".join(map(str, trial.shape))
    return (
        f"{trial.number:5}  {trial.accuracy():6.2f} %  {flash:>9}  {ram:>9}  {cost.macs / 1e6:7.2f} M"
        f"  {trial.genes.block:9}  {shape:9}  {RUNGS[trial.rung]:>4}"
    )


HEADING = "trial  held out      flash        RAM       MACs  blocks     pictures   of"


class _View:
    """A line a rung of a candidate, and a bar of the time, or of the candidates where their number is the limit."""

    def __init__(self, asked: FitRequest) -> None:
        self._trials, self._total = asked.trials, 60 * asked.minutes
        self._begun = time.monotonic()
        self._tried = 0
        self._headed = False

    def lines(self, news: News) -> list[str]:
        match news:
            case Stage():
                return [printable(news.text)]
            case Snapshot(ended=Trial() as ended):
                above = [] if self._headed else [HEADING]
                self._headed = True
                return [*above, trial_line(ended)]
            case Done():
                return [f"{printable(news.folder.name)}: {news.record.rows[-1].test_accuracy:.2f} % of the test images"]
            case _:
                return []

    plain = lines

    def region(self, console: "Console") -> "Bars":
        from rich.progress import BarColumn, TextColumn

        columns = (BarColumn(bar_width=16), TextColumn("{task.fields[left]}"), TextColumn("{task.fields[figures]}"))
        self._bars = bars(console, *columns)
        self._bar = self._bars.add_task("", total=self._total, left="", figures="")
        return self._bars

    def draw(self, news: News) -> None:
        passed = time.monotonic() - self._begun
        left = max(0.0, self._total - passed)
        clock = f"{int(left // 60)}:{int(left % 60):02} left"
        if self._trials:
            self._tried = len(news.trials) if isinstance(news, Snapshot) else self._tried
            clock = f"{self._tried} of {self._trials} candidates"
            passed = self._tried / self._trials * self._total
        self._bars.update(self._bar, completed=min(self._total, passed), left=clock, figures=_figures(news))


def _figures(news: News) -> str:
    """What is under way, in half a line."""
    match news:
        case Snapshot(best=None):
            return f"{len(news.trials)} candidates"
        case Snapshot(best=Trial() as best):
            mark = "" if news.meets else " (not yet at the target)"
            return f"best {best.accuracy():.2f} %, {kilobytes(best.price.flash)} flash{mark}"
        case Progress():
            return f"training the chosen one, epoch {news.epoch} of {news.epochs}"
        case _:
            return ""


def _kind(values: dict[str, Any]) -> str:
    """What the figures of C are of."""
    bits = values["chosen"]["genes"].get("bits", 8)
    return "8-bit C" if bits == 8 else f"C with {bits}-bit weights"
