"""Records of runs, and statistics over the runs of several seeds. Needs no torch.

All accuracies are percentages of the whole set they were measured on, computed as 100 * correct / total, so that
9,940 of 10,000 is exactly the 99.4 of a budget.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from featherweight.errors import FileError, UsageError
from featherweight.experiments.budget import Budget, Clause, Verdict, judge
from featherweight.experiments.recipe import Recipe
from featherweight.files import write_text

FORMAT = 1
"""Version of the record format; raised when an older reader would misread a newer record."""
NEWER = ("macs", "shifted_accuracy", "architecture")
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
    """Name, counts, held-out digits and normalisation of the data set."""
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

    @property
    def verdict(self) -> Verdict:
        """The verdict on the rows under the budget."""
        tests = [row.test_accuracy for row in self.rows]
        tested = self.data.get("test")
        return judge(Budget(**self.budget), self.parameters, tests, self.train_seconds, self.macs, tested)

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
            raise FileError(f"{where} is not the record of a run ({problem!r}); give a run folder.") from problem
        return record


def _require_readable(record: Record) -> None:
    """Raise one of the errors that `from_json` turns into a FileError unless every field has the right type."""
    Budget(**record.budget)
    Recipe.from_json(record.recipe)
    kinds: dict[str, type] = {
        "experiment": str, "seed": int, "parameters": int, "network": str, "engine": str, "finished": bool
    }  # fmt: skip
    for taught in record.teachers:
        if not isinstance(taught["run"], str) or not isinstance(taught["weights"], str):
            raise TypeError(f"a teacher is {taught!r:.60}")
    needed = {"data": {"name": str, "source": str, "train": int, "test": int, "holdout": int, "seed": int},
              "environment": {"threads": int, "torch": str, "device_type": str}}  # fmt: skip
    if record.macs is not None:
        kinds["macs"] = int
    if record.shifted_accuracy is not None:
        kinds["shifted_accuracy"] = float
    if record.architecture is not None:
        kinds["architecture"] = dict
    found = [(name, getattr(record, name), kind) for name, kind in kinds.items()]
    found += [(f"{part}.{name}", getattr(record, part)[name], kind) for part, names in needed.items()
              for name, kind in names.items()]  # fmt: skip
    for name, value, kind in found:
        if not isinstance(value, kind):
            raise TypeError(f"{name} is {value!r}")
    for number, row in enumerate(record.rows, start=1):
        require_row(row, number)


def require_row(row: Row, number: int) -> None:
    """Raise TypeError or ValueError unless the row belongs to this epoch and its figures are finite numbers."""
    for name, value in asdict(row).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} of epoch {number} is {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{name} of epoch {number} is {value}")
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
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
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
