"""Every attempt at the test set that the ledger lists for an experiment, with its outcome."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean

from featherweight.experiments.experiment import Experiment
from featherweight.experiments.findings import Found
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.protocol.ledger import Attempt, note_attempt, recipe_digest
from featherweight.report.ladder_tables import TextTable

Key = tuple[str, str, str, str]
HEADINGS = ("date", "source", "network", "seeds begun", "finished", "last epoch %, mean", "worst of last 5 %",
            "within budget", "seconds", "note")  # fmt: skip


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
