"""Everything known about each experiment that competes for a record, and comparable published results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.build.network_stats import anatomy_of, preprocessing_words

from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import Experiment, contenders
from featherweight.experiments.record import Record
from featherweight.networks.anatomy import Anatomy
from featherweight.protocol.ledger import Attempt, evaluations_of, read_ledger
from featherweight.protocol.records import NOT_CONFIRMED, clearing
from featherweight.training.runs.folders import find_runs

DRAWS = Path("results", "bench", "hard_draws.json")
"""The counts of `python -m benchmarks.hard_draws`, in a source tree."""
NOT_PROVED = "not yet proven"


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One run that others have published: accuracies in percent, None if unknown."""

    beside: str
    """The record that it is compared with."""
    what: str
    parameters: int | None
    """None if unknown."""
    epochs: int | None
    """The number of epochs at most; None if not stated."""
    last: float | None
    mean_of_last: float | None
    """The mean test accuracy of the last five epochs, in percent."""
    worst_of_last: float | None
    where: str = ""
    """Owner and name of its repository on GitHub; empty if unknown."""
    file: str = ""
    """The path of the log in the repository; empty if the whole of it is meant."""
    flash: int | None = None
    """Bytes of flash on a microcontroller; None if unknown."""
    ram: int | None = None
    """Bytes of RAM there, likewise."""
    macs: int | None = None
    """Multiply-adds for one picture; None if unknown."""
    runs: int = 1
    """How many runs the accuracy is the mean of."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An experiment with a bar, and everything known about it."""

    experiment: Experiment
    anatomy: Anatomy
    records: tuple[Record, ...]
    """The runs whose figures are the record's: those of fresh seeds once these have run."""
    cleared_by: tuple[Record, ...]
    """The runs on which the bar was cleared, where `records` are of fresh seeds; otherwise empty."""
    held_out: tuple[Record, ...]
    test_evaluations: int
    draws: Mapping[str, Any]
    """Counts of the images drawn by records that sample hard images more often."""

    @property
    def preprocessing(self) -> str:
        """What its network does to a picture before its first weight, in words; empty if nothing."""
        return ", ".join(preprocessing_words(self.experiment))

    @property
    def standing(self) -> str:
        """Whether its bar has been cleared, in a word or two."""
        bar, first = self.experiment.bar, self.cleared_by or self.records
        assert bar is not None
        if len(first) < bar.seeds:
            return NOT_PROVED
        if bar.shortfalls(first):
            return "**not cleared**"
        if not self.cleared_by:
            return f"{'cleared' if bar.clauses(()) else 'reported'}, {NOT_CONFIRMED}"
        if bar.unconfirmed(self.records):
            return "**not confirmed**"
        return "confirmed" if bar.clauses(()) else "reported on fresh seeds"


def anchors(data: str = "mnist") -> list[Anchor]:
    """The published results that the records on a data set are compared with, from the package's data.

    >>> [anchor.parameters for anchor in anchors()][:3], [anchor.runs for anchor in anchors("cifar10")][:3]
    ([7496, 6128, 19972], [1, 1, 5])
    """
    name = "anchors.json" if data == "mnist" else f"anchors-{data}.json"
    return [Anchor(**line) for line in json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))]


def gather(found: Found, root: Path, data: str = "mnist") -> list[Candidate]:
    """Every experiment with a bar on a data set, with its committed records and evidence in a source tree.

    `found` holds the runs that are quoted, as `confirming.quoted` gives them.
    """
    ledger: list[Attempt] = read_ledger(root / "results" / "test_evaluations.jsonl")
    draws = counted_draws(root)
    gathered = []
    for experiment in contenders(data):
        records, folder = tuple(found.get(experiment.id, ())), root / "results" / "heldout" / experiment.id
        gathered.append(
            Candidate(
                experiment=experiment,
                anatomy=anatomy_of(experiment),
                records=records,
                cleared_by=tuple(found.get(clearing(experiment.id), ())),
                held_out=tuple(record for _, record in find_runs([folder], "seed*.json")),
                test_evaluations=evaluations_of(ledger, experiment.id, committed=bool(records)),
                draws=draws,
            )
        )
    return gathered


def counted_draws(root: Path) -> dict[str, Any]:
    """The counts of each record's sampler; empty if there are none."""
    path = root / DRAWS
    return {one["experiment"]: one for one in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
