"""The facts that are logged about a run, the same for every tracker."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.experiments.record import Record, Row, read_record
from featherweight.experiments.settings import flatten
from featherweight.json_files import read_regular
from featherweight.report import analysis as insight
from featherweight.report import figures
from featherweight.training.runs.trained import data_of, load_trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Value = str | float | bool
LONGEST_NOTE = 200
"""Bytes of the note in which a tracker's log is named."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """One training run in a tracker."""

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
    """The figures of an epoch, under the names used in records and CSV files."""
    return {name: value for name, value in asdict(row).items() if name != "epoch"}


def verdict_figures(record: Record) -> dict[str, float]:
    """The figures of the verdict: 1 for passed or 0, and accuracies in percent."""
    verdict = record.verdict
    return {f"verdict/{name}": float(getattr(verdict, name)) for name in ("passed", "last", "worst_of_last", "best")}


def figures_of(folder: Path, data_dir: Path | None = None) -> "dict[str, Figure]":
    """The figures of a finished run by name: its curves, and the answers of its weights on its test data."""
    record = read_record(folder)
    data = data_of(record, data_dir)
    trained = load_trained(folder)
    answers, images = insight.answers_of(trained, data), data.test.images.numpy()
    found = {draw.__name__: draw(record) for draw in (figures.accuracy, figures.loss, figures.learning_rate)}
    of_answers = (figures.class_errors, figures.confusion_matrix, figures.calibration_curve)
    found |= {draw.__name__: draw(answers) for draw in of_answers}
    if insight.mistakes(answers):
        found["misclassified"] = figures.misclassified(answers, images)
    return found
