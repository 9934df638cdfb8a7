"""What a search notes of its question and its result: schemas, and readers that check both as a stranger's.

A regular file within a size, JSON within limits, types and ranges.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.json_files import Schema, digest_of
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.result_words import in_file, in_words
from featherweight.search.fit.trial import SHARES
from featherweight.training.runs.folders import RESULT

ANEW = "start in a new folder"

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
    balanced: bool = False


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
    begun_at: Seconds = 0.0
    """Seconds of searches for something else on these pictures, before this one."""
    groups: Text | None = None
    """The pattern that names groups; None where none was given."""


class RequestNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a result says was asked for."""

    accuracy: Annotated[float, Meta(gt=0, lt=100)] | None
    minimize: Cost
    limits: LimitsNote
    trials: Positive | None = None
    balanced: bool = False
    teacher: Text | None = None
    """SHA-256 of its file."""


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


class PromiseNote(msgspec.Struct, frozen=True, kw_only=True):
    """What held-out images promise."""

    accuracy: Percent
    interval: Interval
    images: Positive
    groups: Positive
    candidates: Positive


class SeedsNote(msgspec.Struct, frozen=True, kw_only=True):
    """What all seeds reach, with the interval over seeds as well as pictures."""

    mean: Percent
    interval: Interval
    seeds: Positive


class ClassNote(msgspec.Struct, frozen=True, kw_only=True):
    """A class in the test set."""

    name: Text
    images: Count
    recall: Percent | None


class ChecksNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the look at the pictures found."""

    in_both: Count
    two_labels: Count
    twins: Count
    lines: tuple[Text, ...]
    groups: Text | None
    suspects: Count


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
    """None where a version up to 0.2 wrote it, as are those below."""
    promise: PromiseNote | None = None
    over_seeds: SeedsNote | None = None
    recalls: tuple[ClassNote, ...] | None = None
    checks: ChecksNote | None = None


def note_of(kind: type[Kind], **limits: Any) -> Schema[Kind]:
    """What a note of a search must hold."""
    return Schema(kind=kind, what="what a search notes", advice=ANEW, **limits)


QUESTION, RESULT_NOTE = note_of(Question), note_of(Result)
VALUES = note_of(dict[str, Any])


def read_question(path: Path) -> Question:
    """What was asked for in this file; FileError where it is not a search's."""
    return QUESTION.read(path)


def read_result(folder: Path) -> dict[str, Any]:
    """The figures of a finished search, as plain values; FileError where they are not a search's."""
    path = folder / RESULT
    values = VALUES.read(path)
    digest = values.pop("digest", None)
    if digest not in (None, digest_of(values)):
        raise FileError(f"{printable(path)} has been changed since it was written: its digest is another; {ANEW}.")
    RESULT_NOTE.check(in_file(values), printable(path))
    return in_words(values)
