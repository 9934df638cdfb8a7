"""The ledger of test-set evaluations: how often the training of an experiment has been scored on the test set.

A line is written **before** the test set is read, so that an abandoned attempt counts as much as a published one. The
same network, recipe and seeds are one attempt, however often it is stopped and resumed; starting again from scratch is
another attempt.

The ledger is a file of JSON lines, each with the digest of the line before it as `previous`. So none can be changed,
left out or put in between without breaking the chain, which is refused; lines cut off at its end leave no trace in it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from msgspec import Meta

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.schema import Seed, Text
from featherweight.experiments.settings import flatten
from featherweight.io import locked, write_text
from featherweight.json_files import Schema, read_regular
from featherweight.report.ladder_page import TextTable

LEDGER = "test_evaluations.jsonl"
"""The name of its file."""
EARLIER = "touches.json"
"""The name of an earlier version's: one JSON list, without digests. It is read, and continued as a chain."""
LARGEST = 16 << 20
"""Bytes of either."""
WHAT = "an attempt of a ledger of test-set evaluations"


HEADINGS = ("date", "source", "network", "seeds begun", "finished", "last epoch %, mean", "worst of last 5 %",
            "within budget", "seconds", "note")  # fmt: skip
Key = tuple[str, str, str, str]
"""Of a record in the ledger: experiment, network, digest of its recipe, commit without its `+`."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One line of the ledger: an attempt at the test set."""

    experiment: Annotated[str, Meta(max_length=4096)]
    network: Text
    """The fingerprint of its layers and their settings."""
    recipe: Text
    """The digest of its recipe."""
    seeds: Annotated[tuple[Seed, ...], Meta(max_length=10_000)]
    commit: Text | None
    """The commit of the source that trained it, with a `+` if there were uncommitted changes."""
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
    """The date on which it began: year-month-day."""
    note: str = ""
    """The source of this entry, if it was added later from a log."""

    def same_attempt(self, other: "Attempt") -> bool:
        """Whether the other attempt is this one, resumed."""
        return set(self.seeds) == set(other.seeds) and self.resumes(other)

    def resumes(self, other: "Attempt") -> bool:
        """Whether this can be the rest of the other attempt, of which some seeds may have finished."""
        mine, its = ((one.experiment, one.network, one.recipe) for one in (self, other))
        return mine == its and set(self.seeds) <= set(other.seeds)


@dataclass(frozen=True, kw_only=True)
class _Link(Attempt):
    """A line of the ledger."""

    previous: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$")]


_LINE = Schema(kind=_Link, what=WHAT, advice="restore the file")
_EARLIER = Schema(kind=list[Attempt], what=WHAT, advice="restore the file")


def recipe_digest(recipe: Recipe) -> str:
    """A digest of the fields of a recipe that differ from their defaults, so that new fields do not change it.

    >>> recipe_digest(Recipe()) == recipe_digest(Recipe(lr=0.1)) != recipe_digest(Recipe(lr=0.2))
    True
    """
    text = json.dumps(settings(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that differ from their defaults; those of its augmentation are named `augment.NAME`.

    >>> from featherweight.experiments.recipe import Augment
    >>> settings(Recipe(epochs=5, augment=Augment(shear=0.1)))
    {'epochs': 5, 'augment.shear': 0.1}
    """
    ours, default = recipe.to_json(), Recipe().to_json()
    # Only the augmentation is flattened: the digests in existing ledgers were computed from this form.
    for values in (ours, default):
        values |= flatten({"augment": values.pop("augment")})
    return {name: value for name, value in ours.items() if value != default.get(name)}


def read_ledger(path: Path) -> list[Attempt]:
    """All attempts of a ledger, oldest first; none if there is no ledger yet.

    FileError if the file is not a ledger, or if its chain is broken, with the line at which it is.
    """
    earlier = path.with_name(EARLIER)
    found = _read(path)
    return found + [one for one in _read(earlier) if one not in found]


def _read(path: Path) -> list[Attempt]:
    if not (path.exists() or path.is_symlink()):
        return []
    content = read_regular(path, LARGEST)
    if content.startswith(b"["):  # as an earlier version wrote it
        return _EARLIER.parse(content, printable(path))
    previous, found = "", []
    for number, line in enumerate(content.split(b"\n")[: -1 if content.endswith(b"\n") else None], 1):
        where = f"Line {number} of {printable(path)}"
        link = _LINE.parse(line, where)
        if link.previous != previous:
            raise FileError(
                f"{printable(path)} is no longer the ledger that was written: its chain is broken at line {number},"
                " which has another digest of the line before. A line was changed, left out or put in; restore the"
                " file."
            )
        previous = line_digest(line.decode("utf-8"))
        found.append(Attempt(**{field.name: getattr(link, field.name) for field in fields(Attempt)}))
    return found


def line_digest(line: str) -> str:
    """The digest by which the next line knows this one."""
    return hashlib.sha256(line.encode()).hexdigest()[:32]


def chain(attempts: Sequence[Attempt]) -> str:
    """The text of a ledger with these attempts."""
    text, previous = "", ""
    for attempt in attempts:
        line = json.dumps(asdict(attempt) | {"previous": previous}, ensure_ascii=False)
        text, previous = f"{text}{line}\n", line_digest(line)
    return text


def note_attempt(path: Path, attempt: Attempt, *, begun: bool) -> bool:
    """Add the attempt to the ledger unless it resumes one that is already there; returns whether it is a new one.

    `begun` says that one of its runs, finished or stopped, was found; otherwise there is nothing to resume.
    """
    with locked(path.with_name(f".{path.name}.lock")):
        attempts = read_ledger(path)
        if begun and any(attempt.resumes(one) for one in attempts):
            return False
        write_text(path, chain([*attempts, attempt]))
        path.with_name(EARLIER).unlink(missing_ok=True)  # whose lines are now all in the chain
        return True


def evaluations_of(attempts: Sequence[Attempt], experiment: str, committed: bool) -> int:
    """How often an experiment was evaluated on the test set: its lines, but at least 1 if it has committed records."""
    return max(sum(touch.experiment == experiment for touch in attempts), int(committed))


# ------------------------------------------------------------------------------------------- outcomes


def key(record: Record) -> Key:
    """The identity of a record in the ledger: experiment, network, digest of its recipe, commit without its `+`."""
    digest = recipe_digest(Recipe.from_json(record.recipe))
    commit = (record.environment.get("commit") or "").removesuffix("+")
    return record.experiment, str(record.network), digest, commit


def belongs(attempt: Attempt, seed: int, known: Key) -> bool:
    """Whether a record with this seed and key belongs to this attempt."""
    mine = (attempt.experiment, attempt.network, attempt.recipe, (attempt.commit or "").removesuffix("+"))
    return mine == known and seed in attempt.seeds


def attempts(id: str, ledger: Sequence[Attempt], found: Found) -> list[tuple[Attempt, list[Record]]]:
    """The attempts of an experiment and its trials, oldest first, each with the records that were kept, if any."""

    def of_it(name: str) -> bool:
        return name == id or name.startswith(f"{id}_")

    lines = sorted((attempt for attempt in ledger if of_it(attempt.experiment)), key=lambda attempt: attempt.date)
    if not lines:
        return []
    records = [(record, key(record)) for runs in found.values() for record in runs if of_it(record.experiment)]
    return [(attempt, [one for one, known in records if belongs(attempt, one.seed, known)]) for attempt in lines]


def attempts_table(id: str, ledger: Sequence[Attempt], found: Found) -> TextTable | None:
    """A table with one line per attempt, including stopped ones; None if the ledger has none."""
    known = attempts(id, ledger, found)
    rows = [
        (one.date, one.commit or "–", f"`{one.network[:8]}`", str(len(one.seeds)), *_result(records), one.note)
        for one, records in known
    ]
    return TextTable(headings=HEADINGS, align="lll" + "r" * 6 + "l", rows=tuple(rows)) if rows else None


def _result(records: Sequence[Record]) -> list[str]:
    if not records:
        return ["–"] * 5
    worst = min(row.test_accuracy for record in records for row in record.rows[-5:])
    seconds = [record.train_seconds for record in records]
    return [
        str(len(records)),
        f"{fmean(record.verdict.last for record in records):.3f}",
        f"{worst:.2f}",
        f"{sum(record.verdict.passed for record in records)} of {len(records)}",
        f"{min(seconds):.1f} to {max(seconds):.1f}",
    ]


def note_rungs(
    path: Path,
    seeds: Mapping[str, Iterable[int]],
    rungs: Sequence[Experiment],
    likes: Mapping[str, Record],
    begun: set[str],
) -> None:
    """Note in the ledger at `path` that these seeds of these rungs, by id, are about to be trained and tested.

    `likes` has what a run of each leaves before its first epoch; `begun` names the rungs with a stopped run that is
    resumed.
    """
    for rung in rungs:
        if of_it := tuple(seeds.get(rung.id, ())):
            like = likes[rung.id]
            attempt = Attempt(
                experiment=rung.name,
                network=like.network,
                recipe=recipe_digest(Recipe.from_json(like.recipe)),
                seeds=of_it,
                commit=like.environment.get("commit"),
                date=date.today().isoformat(),
            )
            note_attempt(path, attempt, begun=rung.id in begun)
