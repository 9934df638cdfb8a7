"""What one run left behind, and statistics over the runs of several seeds. Needs no torch.

All accuracies are percents of the whole set they were measured on, computed as 100 * correct / total, so that
9,940 of 10,000 is exactly the 99.4 that a budget names.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from featherweight.errors import FileError, UsageError
from featherweight.experiments import limits
from featherweight.experiments.budget import Budget, Verdict, judge
from featherweight.experiments.recipe import Recipe
from featherweight.files import parse_json, write_text

FORMAT = 1
"""Of record files; raised when an older reader would misread a newer record."""
LARGEST = 1 << 24
"""Bytes; no longer record is read."""


def percent(correct: int, total: int) -> float:
    """Percent of `total` that is `correct`.

    >>> percent(9940, 10000) >= 99.4
    True
    """
    return 100 * correct / total


def names_file(experiment: str) -> bool:
    """Whether an experiment's name is the path of somebody's own Python file, and none of the package's.

    >>> names_file("f3"), names_file("nets/own.py")
    (False, True)
    """
    return experiment.endswith(".py") or "/" in experiment or "\\" in experiment


@dataclass(frozen=True, kw_only=True)
class Row:
    """One epoch. Losses are means over images; accuracies are percents."""

    epoch: int
    """Counted from 1."""
    lr: float
    """The learning rate of the epoch's last step."""
    train_loss: float
    """As it was trained: mean over the epoch's steps, augmented images, dropout on."""
    train_accuracy: float
    test_loss: float
    """Of the weights that are kept (the moving average, where the recipe has one), over the whole test set."""
    test_accuracy: float
    seconds: float
    """Wall time of the epoch, evaluation included."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run: what was trained, where, how, and what came of it, epoch by epoch."""

    experiment: str
    seed: int
    parameters: int
    network: str
    """Fingerprint of its layers and their settings."""
    engine: str
    budget: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    """Name, counts, held-out digits and normalisation of the data set."""
    environment: dict[str, Any]
    """Versions, processor, device, threads, commit: what the bits may depend on."""
    teachers: tuple[dict[str, Any], ...] = ()
    """The finished runs that this one learned from: folder, parameters, digest of the weights, seconds of training."""
    rows: tuple[Row, ...] = ()
    clean_train_accuracy: float | None = None
    """Percent of the unaugmented training images that the kept weights get right; None until the run is finished."""
    train_seconds: float = 0.0
    """Wall time from the first step to the weights, evaluation left out."""
    finished: bool = False
    macs: int | None = None
    """Multiply-adds for one image; None where the budget does not limit them."""
    shifted_accuracy: float | None = None
    """Percent of the test set when each image is read in five places (`shifts`); decides nothing. None until the run
    is finished, and in records from before."""

    @property
    def verdict(self) -> Verdict:
        """The budget against the rows."""
        tests = [row.test_accuracy for row in self.rows]
        return judge(Budget(**self.budget), self.parameters, tests, self.train_seconds, self.macs)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, the verdict included for readers (it is computed anew when read)."""
        values = {"format": FORMAT, **asdict(self)}
        values["epochs"] = values.pop("rows")
        for name in ("macs", "shifted_accuracy"):
            if values[name] is None:
                del values[name]
        values["verdict"] = asdict(self.verdict) if self.rows else None
        return values

    @classmethod
    def from_json(cls, values: Any, where: str) -> "Record":
        """The record that `to_json` wrote; FileError with `where` when it is something else."""
        try:
            if values["format"] != FORMAT:
                raise FileError(f"{where} is a record of format {values['format']}; this version reads {FORMAT}.")
            newer = ("macs", "shifted_accuracy")  # records from before there were any have none
            kept = {f.name: values[f.name] for f in fields(cls) if f.name not in ("rows", "teachers", *newer)}
            kept |= {name: values.get(name) for name in newer}
            teachers = tuple(values.get("teachers", ()))
            record = cls(rows=tuple(Row(**row) for row in values["epochs"]), teachers=teachers, **kept)
            _require_readable(record)
        except (KeyError, TypeError, AttributeError, ValueError, UsageError) as problem:
            reason = f"it lacks {problem}" if isinstance(problem, KeyError) else str(problem).rstrip(".")
            raise FileError(f"{where} is not a record of a run ({reason}); name a run folder.") from problem
        return record


def _require_readable(record: Record) -> None:
    """Raise one of the errors that `from_json` turns into a FileError unless every field is of its kind and range."""
    limits.require_kinds(Budget(**record.budget), "budget")
    limits.require_kinds(Recipe.from_json(record.recipe), "recipe")
    limits.text(record.experiment, "experiment", 4096)
    for name in ("network", "engine"):
        limits.text(getattr(record, name), name)
    if not record.engine.isidentifier():
        raise ValueError(f"engine is {record.engine!r:.60}, and an engine's name is one word")
    limits.whole(record.seed, "seed", high=1 << 62)
    limits.whole(record.parameters, "parameters")
    if type(record.finished) is not bool:
        raise TypeError(f"finished is {record.finished!r:.60}")
    limits.require_data(record.data)
    limits.require_plain(record.environment, "environment")
    limits.whole(record.environment["threads"], "environment.threads", 1, 1 << 16)
    for name in ("torch", "device_type"):
        limits.text(record.environment[name], f"environment.{name}")
    for taught in limits.listed(record.teachers, "teachers", 0, 100):
        limits.require_plain(taught, "a teacher")
        limits.text(taught["run"], "a teacher's run")
        limits.text(taught["weights"], "a teacher's weights")
    if record.macs is not None:
        limits.whole(record.macs, "macs", high=1 << 60)
    for name in ("clean_train_accuracy", "shifted_accuracy"):
        if getattr(record, name) is not None:
            limits.number(getattr(record, name), name, *limits.PERCENT)
    limits.number(record.train_seconds, "train_seconds", *limits.SECONDS)
    for number, row in enumerate(limits.listed(record.rows, "epochs", 0, limits.MOST_EPOCHS), start=1):
        require_row(row, number)


def require_row(row: Row, number: int) -> None:
    """Raise TypeError or ValueError unless the row is that of this epoch and its figures are possible."""
    for name, value in asdict(row).items():
        low, high = (-1e300 if name.endswith("loss") else 0.0), (100.0 if name.endswith("accuracy") else 1e300)
        limits.number(value, f"{name} of epoch {number}", low, high)
    if row.epoch != number:
        raise ValueError(f"the row of epoch {number} says that it is of epoch {row.epoch}")


def read_record(path: Path) -> Record:
    """The record in a run folder or file; FileError says what is wrong with it."""
    file = path / "record.json" if path.is_dir() else path
    try:
        if not file.exists():
            raise UsageError(f"There is no run at {path}: {file} does not exist; name the folder of a run.")
        if not file.is_file() or file.stat().st_size > LARGEST:  # opening a pipe would wait for ever
            raise FileError(f"{file} is no record of a run: one is a file of up to {LARGEST:,} bytes.")
        values = parse_json(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise FileError(f"{file} cannot be read as a record: {problem}.") from problem
    return Record.from_json(values, str(file))


def write_record(record: Record, path: Path) -> None:
    """Write the record as JSON, whole or not at all."""
    write_text(path, json.dumps(record.to_json(), indent=1) + "\n")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The last epochs of several runs of one experiment, in percent."""

    mean: float
    standard_deviation: float
    """Over the runs, with n - 1 in the denominator; 0 for a single run."""
    worst: float
    """The lowest last epoch of any run."""
    worst_of_last: float
    """The lowest of all the epochs that verdicts were judged by."""
    passed: int
    runs: int
    per_seed: dict[int, float] = field(default_factory=dict)
    """Seed to accuracy at the last epoch."""


def summarise(records: Sequence[Record]) -> Summary:
    """Statistics over the last epochs of finished runs, one record a seed; UsageError when there is none."""
    if not records:
        raise UsageError("There is no finished run to summarise; train one first.")
    verdicts = [record.verdict for record in records]
    last = [verdict.last for verdict in verdicts]
    return Summary(
        mean=statistics.fmean(last),
        standard_deviation=statistics.stdev(last) if len(last) > 1 else 0.0,
        worst=min(last),
        worst_of_last=min(verdict.worst_of_last for verdict in verdicts),
        passed=sum(verdict.passed for verdict in verdicts),
        runs=len(records),
        per_seed={record.seed: verdict.last for record, verdict in zip(records, verdicts, strict=True)},
    )
