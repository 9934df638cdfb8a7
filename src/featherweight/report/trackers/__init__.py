"""Logs a run in an experiment tracker: its settings, every epoch, its verdict, its figures.

Trackers listen to the events that training reports anyway; the training loop does not know them. A resumed run
continues its old log, without repeating a row.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.errors import FeatherweightError, FileError, UsageError, nearest
from featherweight.escape import printable
from featherweight.experiments.experiment import names_file
from featherweight.experiments.record import Record, Row, read_record
from featherweight.experiments.settings import flatten
from featherweight.io import is_file
from featherweight.json_files import read_regular
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started

if TYPE_CHECKING:
    from matplotlib.figure import Figure


TRACKERS = ("tensorboard", "mlflow", "wandb")
"""Their packages, for each of which `services` has a log; they are imported only when somebody tracks."""


Value = str | float | bool
LONGEST_NOTE = 200
"""Bytes of the note in which a tracker's log is named."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """The log of one training run in an experiment tracker."""

    row: Callable[[Row], None]
    """Logs an epoch unless it has already been logged."""
    verdict: Callable[[Record, Mapping[str, "Figure"]], None]
    """Logs the verdict and the figures of a finished run."""
    close: Callable[[bool], None]
    """Closes the log; its argument says whether the run has finished."""


def noted(note: Path, pattern: str) -> tuple[str, ...] | None:
    """What a tracker's note in a run's folder says, by the groups of the pattern; None if there is none."""
    if not (note.exists() or note.is_symlink()):
        return None
    found = re.fullmatch(pattern, read_regular(note, LONGEST_NOTE).decode("ascii", "replace").strip())
    if found is None:
        raise FileError(f"{printable(note)} is not the note of a log; delete it, and a new log is begun.")
    return found.groups()


def require_tracker(kind: str) -> None:
    """Raise UsageError unless this tracker exists and its package is installed."""
    if kind not in TRACKERS:
        raise UsageError(f"Unknown tracker {kind!r}; {nearest(kind, TRACKERS)}")
    if find_spec(kind) is None:
        raise UsageError(
            f"Tracking with {kind} needs a package that is not installed here; install it with: pip install {kind}"
        )


@contextmanager
def tracking(kind: str | None, data_dir: Path | None = None) -> Iterator[Callable[[Event], None]]:
    """A context with a function that logs events in the tracker of this name, one log per run; None logs nothing.

    `data_dir` is the folder of the runs' data, for figures of their answers.
    """
    if kind is None:
        yield lambda event: None
        return
    require_tracker(kind)
    services = import_module("featherweight.report.trackers.services")
    open_log: Callable[[Path, Record], Log] = getattr(services, f"{kind}_log")
    logs: dict[str, Log] = {}

    def log(event: Event) -> None:
        match event:
            case Started():
                logs[event.label] = open_log(event.folder, event.record)
                for row in event.record.rows:
                    logs[event.label].row(row)
            case Progress(row=Row() as row):
                logs[event.label].row(row)
            case Done():
                ended = logs.pop(event.label)
                ended.verdict(event.record, figures_of(event.folder, data_dir))
                ended.close(True)
            case Failed() if event.label in logs:
                logs.pop(event.label).close(False)

    try:
        yield log
    finally:
        for left in logs.values():
            left.close(False)


# ------------------------------------------------------------------------------------------- what is logged


def settings_of(record: Record) -> dict[str, Value]:
    """The recipe, budget and other settings of a run by dotted names; settings that are None are left out.

    >>> from featherweight.experiments.record import Record
    >>> record = Record(experiment="f1", seed=2, parameters=7916, network="", engine="native", budget={"epochs": 15},
    ...                 recipe={"lr": 0.1, "schedule": {"kind": "one_cycle"}}, data={"name": "mnist", "holdout": 0},
    ...                 environment={"commit": None, "device": "cpu", "threads": 1, "torch": "2.13.0"})
    >>> for name, value in settings_of(record).items():
    ...     print(name, value)
    experiment f1
    seed 2
    parameters 7916
    engine native
    data mnist
    holdout 0
    recipe.lr 0.1
    recipe.schedule.kind one_cycle
    budget.epochs 15
    environment.device cpu
    environment.threads 1
    environment.torch 2.13.0
    """
    named = {name: getattr(record, name) for name in ("experiment", "seed", "parameters", "engine")}
    named |= {"data": record.data["name"], "holdout": record.data["holdout"]}
    settings = flatten({"recipe": record.recipe, "budget": record.budget, "environment": record.environment})
    return named | {
        name: value if isinstance(value, str | float | int) else str(value)
        for name, value in settings.items()
        if value is not None
    }


def quantities(row: Row) -> dict[str, float]:
    """What a tracker logs of an epoch, under the names used in records and CSV files."""
    return {name: value for name, value in asdict(row).items() if name != "epoch"}


def verdict_figures(record: Record) -> dict[str, float]:
    """What a tracker logs of a verdict: 1 for passed or 0, and accuracies in percent."""
    verdict = record.verdict
    return {f"verdict/{name}": float(getattr(verdict, name)) for name in ("passed", "last", "worst_of_last", "best")}


def figures_of(folder: Path, data_dir: Path | None = None) -> "dict[str, Figure]":
    """The figures of a finished run by name: its curves, and the answers of its weights on its test data, where both
    can be had again: a network with layers of somebody's own needs the file that makes them."""
    from featherweight.report import analysis, figures
    from featherweight.training.runs.trained import data_of, load_trained

    record = read_record(folder)
    found = {draw.__name__: draw(record) for draw in (figures.accuracy, figures.loss, figures.learning_rate)}
    file = Path(record.experiment) if names_file(record.experiment) and is_file(record.experiment) else None
    try:
        trained, data = load_trained(folder, experiment=file), data_of(record, data_dir)
    except FeatherweightError:
        return found
    answers, images = analysis.answers_of(trained, data), data.test.images.numpy()
    of_answers = (figures.class_errors, figures.confusion_matrix, figures.calibration_curve)
    found |= {draw.__name__: draw(answers) for draw in of_answers}
    if analysis.mistakes(answers):
        found["misclassified"] = figures.misclassified(answers, images)
    return found
