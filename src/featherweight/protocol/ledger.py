"""The ledger of test-set evaluations: how often the training of an experiment has been scored on the test set.

A line is written **before** the test set is read, so that an abandoned attempt counts as much as a published one. The
same network, recipe and seeds are one attempt, however often it is stopped and resumed; starting again from scratch is
another attempt.

The ledger is a file of JSON lines, each with the digest of the line before it as `previous`. So none can be changed,
left out or put in between without breaking the chain, which is refused; lines cut off at its end leave no trace in it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featherweight.errors import FileError
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.settings import flatten
from featherweight.io import locked, write_text

LEDGER = "test_evaluations.jsonl"
"""The name of its file."""
EARLIER = "touches.json"
"""The name of an earlier version's: one JSON list, without digests. It is read, and continued as a chain."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at the test set."""

    experiment: str
    network: str
    """The fingerprint of its layers and their settings."""
    recipe: str
    """The digest of its recipe."""
    seeds: tuple[int, ...]
    commit: str | None
    """The commit of the source that trained it, with a `+` if there were uncommitted changes."""
    date: str
    """The date on which it began: year-month-day."""
    note: str = ""
    """The source of this entry, if it was added later from a log."""

    def same_attempt(self, other: "Attempt") -> bool:
        """Whether the other attempt is this one, resumed."""
        mine, its = ((one.experiment, one.network, one.recipe, set(one.seeds)) for one in (self, other))
        return mine == its


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
    """All attempts, oldest first; none if there is no ledger yet.

    FileError if the file is not a ledger, or if its chain is broken, with the line at which it is.
    """
    earlier = path.with_name(EARLIER)
    found = _read(path) if path.exists() else []
    return found + [one for one in (_read(earlier) if earlier.exists() else []) if one not in found]


def _read(path: Path) -> list[Attempt]:
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("["):  # as an earlier version wrote it
            return [_attempt(values) for values in json.loads(text)]
        lines = text.splitlines()
        chained = [json.loads(line) for line in lines]
        digests = ["", *map(line_digest, lines)]
        for number, values in enumerate(chained, start=1):
            if values.pop("previous") != digests[number - 1]:
                raise FileError(
                    f"{path} is no longer the ledger that was written: its chain is broken at line {number}, which has"
                    " another digest of the line before. A line was changed, left out or put in; restore the file."
                )
        return [_attempt(values) for values in chained]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise FileError(
            f"{path} cannot be read as a ledger of test-set evaluations ({problem!r}); restore it."
        ) from problem


def _attempt(values: dict[str, Any]) -> Attempt:
    return Attempt(**values | {"seeds": tuple(values["seeds"])})


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
        if begun and any(attempt.same_attempt(one) for one in attempts):
            return False
        write_text(path, chain([*attempts, attempt]))
        path.with_name(EARLIER).unlink(missing_ok=True)  # whose lines are now all in the chain
        return True


def evaluations_of(attempts: Sequence[Attempt], experiment: str, committed: bool) -> int:
    """How often an experiment was evaluated on the test set: its lines, but at least 1 if it has committed records."""
    return max(sum(touch.experiment == experiment for touch in attempts), int(committed))
