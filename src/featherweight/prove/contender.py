"""What is known of each experiment that is to be a record, and what others have published beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featherweight.experiments.experiment import LADDERS, RECORDS, Experiment, contenders
from featherweight.experiments.findings import Found
from featherweight.experiments.record import Record
from featherweight.networks.anatomy import Anatomy, dissect
from featherweight.prove import table_notes
from featherweight.prove.ledger import Attempt, evaluations_of, read_ledger
from featherweight.training.runs.folders import find_runs

NOT_PROVED = "not yet proven"


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """What others have published, one run of it: percents, None where the log is not known to say."""

    beside: str
    """The record that it is held beside."""
    what: str
    parameters: int
    epochs: int | None
    """At most so many; None where it is not said."""
    last: float | None
    mean_of_last: float | None
    """Of the last five epochs."""
    worst_of_last: float | None
    where: str = ""
    """Owner and name of its repository on GitHub; empty where it is not known."""
    file: str = ""
    """Where in it the log stands."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An experiment with a bar, and all that is known of it."""

    experiment: Experiment
    anatomy: Anatomy
    records: tuple[Record, ...]
    held_out: tuple[Record, ...]
    test_evaluations: int
    draws: Mapping[str, Any]
    """What was counted of the samplers of records that take hard images more often."""

    @property
    def standing(self) -> str:
        """Whether its bar is cleared, in a word or two."""
        assert self.experiment.bar is not None
        if len(self.records) < self.experiment.bar.seeds:
            return NOT_PROVED
        return "**not cleared**" if self.experiment.bar.shortfalls(self.records) else "cleared"


def anchors(data: str = "mnist") -> list[Anchor]:
    """What the records on a set are held beside, from the package's data.

    >>> [anchor.parameters for anchor in anchors()], [anchor.last for anchor in anchors("fashion-mnist")]
    ([7496, 6128, 19972], [89.0, 92.5, 93.4])
    """
    name = "anchors.json" if data == "mnist" else f"anchors-{data}.json"
    return [Anchor(**line) for line in json.loads((LADDERS / RECORDS / name).read_text(encoding="utf-8"))]


def gather(found: Found, root: Path, data: str = "mnist") -> list[Contender]:
    """Every experiment on a set that is to be a record, with its committed records and evidence in a source tree."""
    ledger: list[Attempt] = read_ledger(root / "results" / "touches.json")
    draws = table_notes.counted_draws(root)
    gathered = []
    for experiment in contenders(data):
        records, folder = tuple(found.get(experiment.id, ())), root / "results" / "heldout" / experiment.id
        gathered.append(
            Contender(
                experiment=experiment,
                anatomy=dissect(experiment.build()),
                records=records,
                held_out=tuple(record for _, record in find_runs([folder], "seed*.json")),
                test_evaluations=evaluations_of(ledger, experiment.id, committed=bool(records)),
                draws=draws,
            )
        )
    return gathered
