"""Records of runs: what was trained, where and how, and the result of every epoch. Needs no torch.

All accuracies are percentages of the whole set they were measured on, computed as 100 * correct / total, so that
9,940 of 10,000 is exactly the 99.4 of a budget.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta
from typing_extensions import NotRequired, TypedDict

from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.budget import Budget, Clause, Verdict, judge
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.schema import (
    MOST_EPOCHS,
    Count,
    CountOrZero,
    Epochs,
    NotNegative,
    Percent,
    Seed,
    Share,
    Text,
    check_fields,
    check_value,
    documented,
    from_plain,
    kinds,
    require,
    to_plain,
)  # fmt: skip
from featherweight.io import is_folder, is_there, write_text
from featherweight.json_files import Schema, digest_of

FORMAT = 1
"""Version of the record format; raised when an older reader would misread a newer record."""
LARGEST = 1 << 24
"""Maximum size of a record file in bytes; a larger one is refused."""
MOST_NUMBERS = 1 << 21
"""In one image: 8 MB as floats."""
MOST_CHANNELS = 256
PER_CHANNEL = Meta(min_length=1, max_length=MOST_CHANNELS)
LONGEST_SIDE = 1024
"""Of an image, in pixels."""
MOST_CLASSES = 4096
Side = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]
Figure = Annotated[float, Meta(ge=-1e300, le=1e300)]
Whole = Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
Plain = Annotated[
    dict[Text, Annotated[str, Meta(max_length=1000)] | bool | Whole | Figure | None], Meta(max_length=100)
]
"""A short table of texts, numbers, yes and no."""


Fitting = Literal["centre", "fit"]
"""How a picture of other proportions is brought to a size, unless it is stretched: its middle is cut out, or all of it
is fitted in, with black beside it."""
Sides = tuple[int, int] | tuple[int, int, Fitting]
"""Height and width, and how pictures are brought to them, unless they are stretched."""
Size = Sides | Literal["own"] | None
"""The size requested for a data set's pictures: one for all, the size that they all have, or none."""


def size_of_facts(data: Mapping[str, Any]) -> Size:
    """The size that was requested for the pictures that a record speaks of."""
    size: Any = data.get("size")
    if not isinstance(size, list):
        return "own" if size else None
    fitting: Fitting | None = data.get("fitting")
    return (size[0], size[1], fitting) if fitting else (size[0], size[1])


class DataFacts(TypedDict):
    """What a record says of its data set. Sizes decide what is allocated, and texts end up in pages and programs."""

    name: Text
    source: Annotated[str, Meta(max_length=4096)]
    train: Count
    test: CountOrZero
    holdout: CountOrZero
    seed: Seed
    shape: NotRequired[tuple[Annotated[int, Meta(ge=1, le=MOST_CHANNELS)], Side, Side]]
    classes: NotRequired[Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MOST_CLASSES)]]
    mean: NotRequired[Annotated[tuple[Share, ...], PER_CHANNEL]]
    std: NotRequired[Annotated[tuple[Annotated[float, Meta(ge=1e-6, le=1)], ...], PER_CHANNEL]]
    digests: NotRequired[Plain | None]
    size: NotRequired[tuple[Side, Side] | Literal["own"] | None]
    fitting: NotRequired[Fitting]


class EnvironmentFacts(TypedDict):
    """What a record must say of its machine."""

    threads: Annotated[int, Meta(ge=1, le=1 << 16)]
    torch: Text
    device_type: Text


class TeacherFacts(TypedDict):
    """What a record must say of a run that it learned from."""

    run: Text
    weights: Text


def percent(correct: int, total: int) -> float:
    """The percentage of `total` that is `correct`.

    >>> percent(9940, 10000) >= 99.4
    True
    """
    return 100 * correct / total


@documented
@dataclass(frozen=True, kw_only=True)
class Row:
    """One epoch of a record. Losses are means over images; accuracies are percentages."""

    epoch: Epochs
    """Counted from 1."""
    lr: NotNegative
    """The learning rate of the epoch's last step."""
    train_loss: Figure
    """Measured during training: mean over the epoch's steps, on augmented images with dropout on."""
    train_accuracy: Percent
    test_loss: Figure
    """Loss of the saved weights (the moving average, if the recipe has one) over the whole test set."""
    test_accuracy: Percent
    seconds: NotNegative
    """Wall time of the epoch, evaluation included."""


@documented
@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of one run: what was trained, where and how, and the result of every epoch."""

    experiment: Annotated[str, Meta(max_length=4096)]
    seed: Seed
    parameters: CountOrZero
    network: Text
    """Fingerprint of the network's layers and their settings."""
    engine: Annotated[str, Meta(max_length=255, pattern=r"^[^\W\d]\w*\Z", description="one word")]
    budget: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    """Text, counts, held-out images and normalisation of the data set."""
    environment: dict[str, Any]
    """Versions, processor, device, threads and commit: everything that the exact bits may depend on."""
    teachers: Annotated[tuple[dict[str, Any], ...], Meta(max_length=100)] = ()
    """The finished runs that this one learned from: folder, parameters, digest of the weights, training seconds."""
    rows: Annotated[tuple[Row, ...], Meta(max_length=MOST_EPOCHS)] = ()
    clean_train_accuracy: Percent | None = None
    """Accuracy of the saved weights on unaugmented training images, in percent; None until the run is finished."""
    train_seconds: NotNegative = 0.0
    """Wall time from the first step to the final weights, without evaluation."""
    finished: bool = False
    macs: Annotated[int, Meta(ge=0, le=1 << 60)] | None = None
    """Multiply-adds per image; None if the budget does not limit them."""
    shifted_accuracy: Percent | None = None
    """Test accuracy in percent with test-time augmentation (`evaluate_shifted`); it does not affect the verdict. None
    until the run is finished, and in older records."""

    architecture: dict[str, Any] | None = None
    """The network as data (`layers`), or what in it is none (`unserialisable`), and a digest of its `first_weights`.
    None in records from before."""
    c_accuracy: Percent | None = None
    """Test accuracy in percent of the program in 8-bit C; None unless a proof has measured it."""
    custom: dict[str, Any] | None = None
    """Name and source of a loss, augmentation or optimiser that was given as a function; None if there was none."""
    digest: Annotated[str, Meta(max_length=64)] | None = field(default=None, compare=False, repr=False)
    """Of all else in the file that it was read from, which it agrees with; None in records of earlier versions, of
    which nobody knows whether they were changed."""

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
        """All fields as plain values, with the figures of the verdict, which is judged anew when the record is read."""
        values = {"format": FORMAT, **to_plain(self), "clean_train_accuracy": self.clean_train_accuracy}
        values["epochs"] = values.pop("rows")
        values.pop("digest", None)
        figures = asdict(self.verdict) if self.rows else None
        values["verdict"] = figures and {name: value for name, value in figures.items() if name != "reason"}
        return values

    @classmethod
    def from_json(cls, values: Any, where: str) -> "Record":
        """The record that `to_json` wrote; FileError, mentioning `where`, for anything else."""
        try:
            if values["format"] != FORMAT:
                raise FileError(f"{where} is a record of format {values['format']}; this version reads {FORMAT}.")
            kept = {name: values[name] for name in kinds(cls) if name in values}
            record = from_plain(cls, kept | {"rows": values["epochs"]}, "record")
            _require_readable(record)
        except (KeyError, TypeError, AttributeError, ValueError, UsageError) as problem:
            reason = f"it lacks {problem}" if isinstance(problem, KeyError) else str(problem).rstrip(".")
            raise FileError(f"{where} is not the record of a run ({reason}); give a run folder.") from problem
        return record


def _require_readable(record: Record) -> None:
    """Raise UsageError unless every field is such as a run of this program could have written."""
    check_fields(record, "record")
    from_plain(Budget, record.budget, "budget")
    from_plain(Recipe, record.recipe, "recipe")
    require("epochs" in record.recipe, "recipe.epochs is missing")
    about = record.data
    check_value(about, DataFacts, "data")
    tables: list[tuple[str, Any, type]] = [("environment", record.environment, EnvironmentFacts)]
    tables += [(f"teachers[{at}]", teacher, TeacherFacts) for at, teacher in enumerate(record.teachers)]
    for where, table, needed in tables:
        check_value(table, Plain, where)
        check_value(table, needed, where)
    numbers = math.prod(about.get("shape", ()))
    require(numbers <= MOST_NUMBERS, f"data.shape has {numbers:,} numbers, and at most {MOST_NUMBERS:,} are read.")
    for name in ("mean", "std"):
        of_each = len(about[name]) == about["shape"][0] if name in about and "shape" in about else True
        require(of_each, f"data.{name} must have a number for each channel; given {about.get(name)!r:.60}.")
    for number, row in enumerate(record.rows, start=1):
        require_row(row, number)


def require_row(row: Row, number: int) -> None:
    """Raise UsageError unless the row belongs to this epoch and its figures are possible."""
    check_fields(row, f"epoch {number}")
    require(row.epoch == number, f"The row of epoch {number} is labelled epoch {row.epoch}.")


_SCHEMA = Schema(kind=dict[str, Any], what="the record of a run", advice="give a run folder", most=LARGEST)
"""Its fields are checked by `Record` itself, which names them in its errors."""


def read_record(path: "str | Path") -> Record:
    """The record in a run folder or file; UsageError if there is none, FileError if it cannot be read or was changed.

    Records of earlier versions carry no digest of themselves, so that a change of theirs goes unnoticed here.
    """
    if not isinstance(path, str | Path):
        raise UsageError(f"A run is named by its folder; given {path!r:.60}.")
    path = Path(path)
    file = path / "record.json" if is_folder(path) else path
    if not (is_there(file) or os.path.islink(file)):  # noqa: PTH114 - Path raises OSError for too long a name
        raise UsageError(f"There is no run at {printable(path)}: {file.name} does not exist; give the folder of a run.")
    values = _SCHEMA.read(file)
    record = Record.from_json(values, str(file))
    if record.digest is not None and record.digest != digest_of(values):
        raise FileError(
            f"{file} has been changed since it was written: its digest is another. Its figures are those of no run;"
            " restore the file, or train the run again."
        )
    return record


def write_record(record: Record, path: Path) -> None:
    """Write the record as JSON, atomically, with a digest of itself by which a change is noticed when it is read."""
    values = record.to_json()
    write_text(path, json.dumps(values | {"digest": digest_of(values)}, indent=1) + "\n")
