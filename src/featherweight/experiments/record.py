"""Records of runs, and statistics over the runs of several seeds. Needs no torch.

All accuracies are percentages of the whole set they were measured on, computed as 100 * correct / total, so that
9,940 of 10,000 is exactly the 99.4 of a budget.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from featherweight.errors import FileError, UsageError
from featherweight.experiments import limits
from featherweight.experiments.budget import Budget, Clause, Verdict, judge
from featherweight.experiments.recipe import Recipe
from featherweight.io import parse_json, write_text

FORMAT = 1
"""Version of the record format; raised when an older reader would misread a newer record."""
NEWER = ("macs", "shifted_accuracy", "architecture", "c_accuracy")
"""Fields that are missing from older records, and left out of newer ones if they are None."""
LARGEST = 1 << 24
"""Maximum size of a record file in bytes; a larger one is refused."""


def percent(correct: int, total: int) -> float:
    """The percentage of `total` that is `correct`.

    >>> percent(9940, 10000) >= 99.4
    True
    """
    return 100 * correct / total


@dataclass(frozen=True, kw_only=True)
class Row:
    """One epoch. Losses are means over images; accuracies are percentages."""

    epoch: int
    """Counted from 1."""
    lr: float
    """The learning rate of the epoch's last step."""
    train_loss: float
    """Measured during training: mean over the epoch's steps, on augmented images with dropout on."""
    train_accuracy: float
    test_loss: float
    """Loss of the saved weights (the moving average, if the recipe has one) over the whole test set."""
    test_accuracy: float
    seconds: float
    """Wall time of the epoch, evaluation included."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run: what was trained, where and how, and the result of every epoch."""

    experiment: str
    seed: int
    parameters: int
    network: str
    """Fingerprint of the network's layers and their settings."""
    engine: str
    budget: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    """Name, counts, held-out images and normalisation of the data set."""
    environment: dict[str, Any]
    """Versions, processor, device, threads and commit: everything that the exact bits may depend on."""
    teachers: tuple[dict[str, Any], ...] = ()
    """The finished runs that this one learned from: folder, parameters, digest of the weights, training seconds."""
    rows: tuple[Row, ...] = ()
    clean_train_accuracy: float | None = None
    """Accuracy of the saved weights on unaugmented training images, in percent; None until the run is finished."""
    train_seconds: float = 0.0
    """Wall time from the first step to the final weights, without evaluation."""
    finished: bool = False
    macs: int | None = None
    """Multiply-adds per image; None if the budget does not limit them."""
    shifted_accuracy: float | None = None
    """Test accuracy in percent with test-time augmentation (`training.tta`); it does not affect the verdict. None until
    the run is finished, and in older records."""

    architecture: dict[str, Any] | None = None
    """The network as data (`layers`), or what in it is none (`foreign`), and a digest of its `first_weights`. None in
    records from before."""
    c_accuracy: float | None = None
    """Test accuracy in percent of the program in 8-bit C; None unless a proof has measured it."""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the rows under the budget."""
        tests = [row.test_accuracy for row in self.rows]
        tested = self.data.get("test")
        return judge(Budget(**self.budget), self.parameters, tests, self.train_seconds, self.macs, tested)

    @property
    def data_set(self) -> tuple[Any, ...]:
        """What must be equal to compare runs: the set's name, the numbers of training and test images, how many are
        held out, and how. Drawn digits that the recipe adds to the training images do not count."""
        about = self.data
        train = about.get("train", 0) - self.recipe.get("strokes", 0)
        return about.get("name", ""), train, *(about.get(part, "") for part in ("test", "holdout", "held_out"))

    @property
    def clauses(self) -> list[Clause]:
        """The budget clause by clause: what is allowed, what was measured, and whether the clause holds."""
        budget, tests = Budget(**self.budget), [row.test_accuracy for row in self.rows]
        return budget.costs(self.parameters, len(tests), self.train_seconds, self.macs) + budget.targets(tests)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values, with the verdict for human readers (it is recomputed when the record is read)."""
        values = {"format": FORMAT, **asdict(self)}
        values["epochs"] = values.pop("rows")
        for name in NEWER:
            if values[name] is None:
                del values[name]
        values["verdict"] = asdict(self.verdict) if self.rows else None
        return values

    @classmethod
    def from_json(cls, values: Any, where: str) -> "Record":
        """The record that `to_json` wrote; FileError, mentioning `where`, for anything else."""
        try:
            if values["format"] != FORMAT:
                raise FileError(f"{where} is a record of format {values['format']}; this version reads {FORMAT}.")
            kept = {f.name: values[f.name] for f in fields(cls) if f.name not in ("rows", "teachers", *NEWER)}
            kept |= {name: values.get(name) for name in NEWER}
            teachers = tuple(values.get("teachers", ()))
            record = cls(rows=tuple(Row(**row) for row in values["epochs"]), teachers=teachers, **kept)
            _require_readable(record)
        except (KeyError, TypeError, AttributeError, ValueError, UsageError) as problem:
            reason = f"it lacks {problem}" if isinstance(problem, KeyError) else str(problem).rstrip(".")
            raise FileError(f"{where} is not the record of a run ({reason}); give a run folder.") from problem
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
    for name in ("clean_train_accuracy", "shifted_accuracy", "c_accuracy"):
        if getattr(record, name) is not None:
            limits.number(getattr(record, name), name, *limits.PERCENT)
    if record.architecture is not None and not isinstance(record.architecture, dict):
        raise TypeError("the architecture is not an object")
    limits.number(record.train_seconds, "train_seconds", *limits.SECONDS)
    for number, row in enumerate(limits.listed(record.rows, "epochs", 0, limits.MOST_EPOCHS), start=1):
        require_row(row, number)


def require_row(row: Row, number: int) -> None:
    """Raise TypeError or ValueError unless the row belongs to this epoch and its figures are possible."""
    for name, value in asdict(row).items():
        low, high = (-1e300 if name.endswith("loss") else 0.0), (100.0 if name.endswith("accuracy") else 1e300)
        limits.number(value, f"{name} of epoch {number}", low, high)
    if row.epoch != number:
        raise ValueError(f"the row of epoch {number} is labelled epoch {row.epoch}")


def read_record(path: Path) -> Record:
    """The record in a run folder or file; UsageError if there is none, FileError if it cannot be read."""
    file = path / "record.json" if path.is_dir() else path
    try:
        if not file.exists():
            raise UsageError(f"There is no run at {path}: {file} does not exist; give the folder of a run.")
        if not file.is_file() or file.stat().st_size > LARGEST:  # opening a pipe would wait for ever
            raise FileError(f"{file} is not the record of a run, which is a regular file of up to {LARGEST:,} bytes.")
        values = parse_json(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise FileError(f"{file} cannot be read as a record: {problem}.") from problem
    return Record.from_json(values, str(file))


def write_record(record: Record, path: Path) -> None:
    """Write the record as JSON, atomically."""
    write_text(path, json.dumps(record.to_json(), indent=1) + "\n")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Accuracies at the last epoch over several runs of one experiment, in percent."""

    mean: float
    standard_deviation: float
    """Over the runs, with n - 1 in the denominator; 0 for a single run."""
    worst: float
    """The lowest accuracy at the last epoch of any run."""
    worst_of_last: float
    """The lowest accuracy of any run in the epochs that its verdict judges."""
    passed: int
    runs: int
    per_seed: dict[int, float] = field(default_factory=dict)
    """Accuracy at the last epoch by seed."""


def summarise(records: Sequence[Record]) -> Summary:
    """Statistics over the last epochs of finished runs, one record per seed; UsageError if there are none."""
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
