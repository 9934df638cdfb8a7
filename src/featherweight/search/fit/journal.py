"""The trainings that searches on the same pictures have noted: facts, from which the next search starts, whatever it
looks for.

All of it is checked as a stranger's: a regular file within a size, JSON within limits, types and ranges.
"""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.io import write_bytes
from featherweight.json_files import read_regular
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import cost_of
from featherweight.search.fit.notes import ANEW, Count, Seconds, Text, note_of
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import LAST, SHARES, Trial, TrialTask, TrialUpdate

LARGEST_TRIALS = 256 << 20
"""Bytes of all trainings together; 64 MB are 2,000 trainings judged on 10,000 images each."""
LONGEST_IMAGES = 1 << 22
"""Characters of what is noted of each image."""
ENOUGH = 0.65
"""The share of a rung's epochs with which a training of an earlier search counts as one of that rung."""


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
    anchor: bool = False
    images: Annotated[str, Meta(max_length=LONGEST_IMAGES)] = ""
    """Of each held-out image, as `TrialUpdate` has it, in base64; empty where a version up to 0.2 wrote it."""


TRAINING = note_of(Training, longest=LONGEST_IMAGES)


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
        found.append((number, TRAINING.parse(line, where)))
    if rest:  # its writer was killed in the middle of it
        write_bytes(file, content[: len(content) - len(rest)])
    yield from found


def recall_all(search: FitState, begun_at: float) -> None:
    """Take up all that earlier searches have found; what they noted until `begun_at` was for something else.

    A training counts for the rung that its length is enough for, if this search has other epochs.
    """
    for number, training in read_trainings(search.file):
        _recall(search, number, training)
        search.spent = max(search.spent, training.at - begun_at)
    for trial in search.population.trials:
        _forget_unfinished(trial)
        _regrade(search, trial)


def _recall(search: FitState, number: int, training: Training) -> None:
    """Take up what a line says of an earlier search."""
    where, genes = f"Line {number} of {printable(search.file)}", training.genes
    require_fitting(search, where, training)
    trials = search.population.trials
    known = next((one for one in trials if one.genes == genes), None)
    if known is None:
        shape = search.shape(genes)
        cost = cost_of(genes, shape, search.classes)
        if cost is None:
            raise FileError(f"{where} belongs to other pictures; {ANEW}.")
        known = Trial(
            number=len(trials), genes=genes, price=cost, shape=shape, racing=training.racing, anchor=training.anchor
        )
        search.population.new(genes)
        trials.append(known)
    update = search.counted(update_of(known.number, training))
    rung = training.rung
    if any(one.work == update.work for updates in known.updates.values() for one in updates):
        raise FileError(f"{where} repeats an earlier one; {ANEW}.")
    there = known.updates.get(rung, [])
    if any(one.work.fold == training.fold for one in there):  # of a search with another length: the longer one counts
        if there[0].work.epochs >= training.epochs:
            return
        known.planned[rung], known.updates[rung] = [], []
    known.planned.setdefault(rung, []).append(update.work)
    known.updates.setdefault(rung, []).append(update)
    known.failed = known.failed or training.failed


def _forget_unfinished(trial: Trial) -> None:
    """Nothing has to be redone: a rung of several folds counts with those that were finished."""
    for rung in list(trial.planned):
        if not trial.updates.get(rung):
            del trial.planned[rung]


def _regrade(search: FitState, trial: Trial) -> None:
    """Put the trial's longest training on the rung that this search would give it, where its pictures are judged on one
    fold and its length differs."""
    if len(search.views.folds) > 1 or trial.failed or not trial.updates:
        return
    whole = search.epochs(trial.price, trial.shape)
    for rung in sorted(trial.updates):
        work = trial.planned[rung][0]
        reached = max((at for at in range(LAST + 1) if work.epochs * work.share >= ENOUGH * whole * SHARES[at]),
                      default=0)  # fmt: skip
        if reached != rung:
            planned, updates = trial.planned.pop(rung), trial.updates.pop(rung)
            if reached not in trial.updates or trial.planned[reached][0].epochs < work.epochs:
                trial.planned[reached], trial.updates[reached] = planned, updates


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
        images = _decoded(training.images)
        if training.images and (len(images), sum(image & 1 for image in images)) != (held, training.correct):
            raise FileError(f"{where} lists other held-out images than it counts; {ANEW}.")


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
        loss=training.loss, failed=training.failed, images=_decoded(training.images),
    )  # fmt: skip


def line_of(trial: Trial, rung: int, update: TrialUpdate, at: float) -> dict[str, Any]:
    """What is noted of a training, `at` so many seconds of the search."""
    work = update.work
    return {
        "trial": trial.number, "genes": trial.genes.to_json(), "rung": rung, "epochs": work.epochs,
        "fold": work.fold, "share": work.share, "correct": update.correct, "judged": update.judged,
        "loss": update.loss, "seconds": update.seconds, "failed": update.failed, "racing": trial.racing,
        "anchor": trial.anchor, "at": round(at, 3), "images": base64.b64encode(update.images).decode(),
    }  # fmt: skip


def _decoded(text: str) -> bytes:
    """The bytes of base64; none for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
