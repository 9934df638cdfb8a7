"""The ledger of test-set evaluations: how often the training of an experiment has been scored on the test set.

A line is written **before** the test set is read, so that an attempt that is given up counts like one that is shown.
The same network, recipe and seeds are one attempt, however often it was stopped and resumed; begun again from
nothing, they are another.
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
from featherweight.files import locked, write_text


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at the test set."""

    experiment: str
    network: str
    """Fingerprint of its layers and their settings."""
    recipe: str
    """Digest of its recipe."""
    seeds: tuple[int, ...]
    commit: str | None
    """Of the source that trained it, `+` where that had been changed."""
    date: str
    """Of its beginning: year-month-day."""
    note: str = ""
    """How it is known, where it was counted from a log after the event."""

    def same_attempt(self, other: "Attempt") -> bool:
        """Whether the other is this one, resumed."""
        mine, its = ((one.experiment, one.network, one.recipe, set(one.seeds)) for one in (self, other))
        return mine == its


def recipe_digest(recipe: Recipe) -> str:
    """A digest of what a recipe sets: of fields at their defaults, those that later versions add included, nothing.

    >>> recipe_digest(Recipe()) == recipe_digest(Recipe(lr=0.1)) != recipe_digest(Recipe(lr=0.2))
    True
    """
    text = json.dumps(settings(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that are not at their defaults, those of its augmentation called `augment.NAME`.

    >>> from featherweight.experiments.recipe import Augment
    >>> settings(Recipe(epochs=5, augment=Augment(shear=0.1)))
    {'epochs': 5, 'augment.shear': 0.1}
    """
    ours, default = recipe.to_json(), Recipe().to_json()
    # The augmentation alone is flattened: digests that stand in ledgers were taken of this form.
    for values in (ours, default):
        values |= flatten({"augment": values.pop("augment")})
    return {name: value for name, value in ours.items() if value != default.get(name)}


def read_ledger(path: Path) -> list[Attempt]:
    """All attempts, oldest first; none where there is no ledger yet. FileError when it is something else."""
    if not path.exists():
        return []
    try:
        lines = json.loads(path.read_text(encoding="utf-8"))
        return [Attempt(**line | {"seeds": tuple(line["seeds"])}) for line in lines]
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise FileError(
            f"{path} cannot be read as a ledger of test-set evaluations ({problem!r}); restore it."
        ) from problem


def note_attempt(path: Path, attempt: Attempt, *, begun: bool) -> bool:
    """Write the attempt down, unless it resumes an attempt that is already there; whether it is a new one.

    `begun` says that something of it was found, finished or stopped; without that, there is nothing to resume.
    """
    with locked(path.with_name(f".{path.name}.lock")):
        attempts = read_ledger(path)
        if begun and any(attempt.same_attempt(one) for one in attempts):
            return False
        lines = ",\n".join(" " + json.dumps(asdict(one), ensure_ascii=False) for one in [*attempts, attempt])
        write_text(path, f"[\n{lines}\n]\n")
        return True


def evaluations_of(attempts: Sequence[Attempt], experiment: str, committed: bool) -> int:
    """How often it was evaluated on the test set: its lines, and at least once where it has committed records."""
    return max(sum(touch.experiment == experiment for touch in attempts), int(committed))
