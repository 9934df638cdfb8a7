"""What a search notes of its question, its trainings and its result, read back for the same command to go on.

All of it is checked as a stranger's: a regular file within a size, JSON within limits, types and ranges.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.io import parse_json, read_regular, write_bytes
from featherweight.search.fit.asha import SHARES, Trial
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import cost_of
from featherweight.search.fit.result_words import in_file, in_words
from featherweight.search.fit.state import FitState
from featherweight.search.fit.workers import TrialTask, TrialUpdate
from featherweight.training.runs.folders import RESULT

ANEW = "start in a new folder"
LARGEST, LARGEST_TRIALS = 4 << 20, 64 << 20
"""Bytes of a note, and of all trainings together."""

Kind = TypeVar("Kind")
Count = Annotated[int, Meta(ge=0, le=1 << 40)]
Positive = Annotated[int, Meta(ge=1, le=1 << 40)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Interval = tuple[Percent, Percent]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Text = Annotated[str, Meta(max_length=1 << 14)]
Cost = Literal["flash", "ram", "macs", "parameters", "cycles"]
Within = Annotated[str, Meta(pattern=r"^runs/[^/\\]*[^/\\.][^/\\]*$", max_length=300)]
"""A folder of a run, within that of the search."""


class LimitsNote(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a network may cost, as noted."""

    flash: Positive | None = None
    ram: Positive | None = None
    macs: Positive | None = None
    parameters: Positive | None = None
    cycles: Positive | None = None


class AimNote(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for, as noted."""

    target: Annotated[float, Meta(gt=0, lt=100)] | None
    minimize: Cost
    limits: LimitsNote


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What `asked.json` holds."""

    source: Text
    images: Count
    classes: Annotated[tuple[Text, ...], Meta(min_length=2)]
    sizes: Annotated[tuple[tuple[Positive, Positive, Positive], ...], Meta(min_length=1)]
    aim: AimNote
    seed: Count
    pictures: dict[Text, Text] | None = None
    """Digests; None where a version up to 0.2 wrote it."""


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `trials.jsonl`."""

    trial: Count
    genes: Candidate
    rung: Annotated[int, Meta(ge=0, lt=len(SHARES))]
    epochs: Annotated[int, Meta(ge=1, le=100_000)]
    fold: Count
    share: Annotated[float, Meta(gt=0, le=1)]
    correct: Count | None
    judged: Count
    loss: float
    seconds: Seconds
    failed: Text
    at: Seconds
    racing: bool = False


class RequestNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a result says was asked for."""

    accuracy: Annotated[float, Meta(gt=0, lt=100)] | None
    minimize: Cost
    limits: LimitsNote
    trials: Positive | None = None


class DataNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a result says of its data."""

    name: Text
    classes: Annotated[tuple[Text, ...], Meta(min_length=2)]
    train: Positive
    test: Positive
    shape: tuple[Positive, Positive, Positive]


class SearchNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a result says of its search."""

    seconds: Seconds
    candidates: Count
    trainings: Count
    held_out: Count
    parts: Positive


class ChosenNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a result says of the chosen candidate."""

    candidate: Count
    genes: Candidate
    held_out_accuracy: Percent
    held_out_images: Positive
    held_out_interval: Interval


class CostNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a network costs."""

    flash: Count
    ram: Count
    macs: Count
    parameters: Count
    cycles: Count


class FrontNote(CostNote, frozen=True, kw_only=True):
    """A candidate of the front."""

    candidate: Count
    accuracy: Percent
    rung: Annotated[int, Meta(ge=0, lt=len(SHARES))]


class RunNote(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the final training."""

    folder: Within
    seed: Count
    test_accuracy: Percent


class ProgramNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the C program reaches."""

    accuracy: Percent
    interval: Interval
    images: Positive
    float_accuracy: Percent
    proved: bool


class BaselineNote(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a result comes with a warning."""

    commonest_class: Percent
    epochs: Positive
    usual_epochs: Positive


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `fit.json` holds."""

    command: Text
    request: RequestNote
    data: DataNote
    search: SearchNote
    chosen: ChosenNote
    cost: CostNote
    runs: Annotated[tuple[RunNote, ...], Meta(min_length=1)]
    mean: Percent
    worst: Percent
    c: ProgramNote
    met: bool
    active_limits: tuple[Cost, ...]
    pareto_front: tuple[FrontNote, ...]
    baseline: BaselineNote | None = None
    """None where a version up to 0.2 wrote it."""


def _values(content: bytes, where: str) -> Any:
    try:
        return parse_json(content.decode("utf-8"))
    except ValueError as problem:
        raise FileError(f"{where} cannot be read ({printable(str(problem)):.200}); {ANEW}.") from problem


def _checked(values: Any, kind: type[Kind], where: str) -> Kind:
    try:
        return msgspec.convert(values, kind, strict=True)
    except (msgspec.ValidationError, FileError) as problem:
        text = printable(str(problem))
        raise FileError(f"{where} is not what a search notes ({text:.300}); {ANEW}.") from problem


def read_question(path: Path) -> Question:
    """What was asked for in this file; FileError where it is not a search's."""
    return _checked(_values(read_regular(path, LARGEST), printable(path)), Question, printable(path))


def read_result(folder: Path) -> dict[str, Any]:
    """The figures of a finished search, as plain values; FileError where they are not a search's."""
    path = folder / RESULT
    values: dict[str, Any] = _values(read_regular(path, LARGEST), printable(path))
    if not isinstance(values, dict):
        raise FileError(f"{printable(path)} is not what a search notes; {ANEW}.")
    _checked(in_file(values), Result, printable(path))
    return in_words(values)


def read_trainings(file: Path) -> Iterator[tuple[int, Training]]:
    """The trainings of an earlier search with the numbers of their lines; one that was cut off at the end is passed
    over."""
    if not (file.exists() or file.is_symlink()):
        return
    content = read_regular(file, LARGEST_TRIALS)
    *lines, rest = content.split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        where = f"Line {number} of {printable(file)}"
        found.append((number, _checked(_values(line, where), Training, where)))
    if rest:  # its writer was killed in the middle of it
        write_bytes(file, content[: len(content) - len(rest)])
    yield from found


def recall(search: FitState, number: int, training: Training) -> None:
    """Take up what a line says of an earlier search."""
    where, genes = f"Line {number} of {printable(search.file)}", training.genes
    require_fitting(search, where, training)
    search.spent = max(search.spent, training.at)
    trials = search.population.trials
    known = next((one for one in trials if one.genes == genes), None)
    if known is None:
        shape = search.shape(genes)
        cost = cost_of(genes, shape, search.classes)
        if cost is None:
            raise FileError(f"{where} belongs to other pictures; {ANEW}.")
        known = Trial(number=len(trials), genes=genes, price=cost, shape=shape, racing=training.racing)
        search.population.new(genes)
        trials.append(known)
    key = training.fold, training.epochs
    if any((update.work.fold, update.work.epochs) == key for update in known.updates.get(training.rung, ())):
        raise FileError(f"{where} repeats an earlier one; {ANEW}.")
    update = update_of(known.number, training)
    known.planned.setdefault(training.rung, []).append(update.work)
    known.updates.setdefault(training.rung, []).append(update)
    known.failed = known.failed or training.failed


def require_fitting(search: FitState, where: str, training: Training) -> None:
    """Raise FileError for a training that is of other pictures, or counts held-out images that there are not."""
    genes, views = training.genes, search.views
    if genes.side >= len(views.sizes) or training.fold >= len(views.folds):
        raise FileError(f"{where} belongs to other pictures; {ANEW}.")
    if not training.failed:
        held = int(views.folds[training.fold].sum())
        if training.correct is None or not training.correct <= training.judged == held:
            raise FileError(
                f"{where} counts {training.correct} of {training.judged} held-out images, of {held}; {ANEW}."
            )


def update_of(number: int, training: Training) -> TrialUpdate:
    """What was reported of a training of the candidate with this number."""
    work = TrialTask(
        trial=number,
        genes=training.genes,
        epochs=training.epochs,
        fold=training.fold,
        share=training.share,
    )
    return TrialUpdate(
        work=work, done=1.0, seconds=training.seconds, correct=training.correct, judged=training.judged,
        loss=training.loss, failed=training.failed,
    )  # fmt: skip


def line_of(trial: Trial, rung: int, update: TrialUpdate, at: float) -> dict[str, Any]:
    """What is noted of a training, `at` so many seconds of the search."""
    work = update.work
    return {
        "trial": trial.number, "genes": trial.genes.to_json(), "rung": rung, "epochs": work.epochs,
        "fold": work.fold, "share": work.share, "correct": update.correct, "judged": update.judged,
        "loss": update.loss, "seconds": update.seconds, "failed": update.failed, "racing": trial.racing,
        "at": round(at, 3),
    }  # fmt: skip


def forget_unfinished(trial: Trial) -> None:
    """Nothing has to be redone: a rung of several folds counts with those that were finished."""
    for rung in list(trial.planned):
        if not trial.updates.get(rung):
            del trial.planned[rung]
