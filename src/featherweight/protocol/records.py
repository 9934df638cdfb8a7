"""The records that texts quote: committed in a source tree, packed into the package, and of seeds that confirm a bar.

A bar that is cleared by the second candidate, a little above it, is partly luck; seeds that had no part in any choice
are free of that. They run once, their records lie in `results/confirm/ID`, and from then on a record's figures are
theirs.
"""

import gzip
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from featherweight.errors import UsageError
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import LADDERS, Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, write_record
from featherweight.protocol.compare import Comparison, compare
from featherweight.training.runs.folders import find_runs

FOLDER = "confirm"
"""Where these runs are kept, both in a folder of runs and in `results/`."""
NOT_CONFIRMED = "not yet confirmed on fresh seeds"
SOURCES = Path("src", "featherweight", "experiments", "ladders")
"""The folder of the experiments in a checkout; in an installed package it is elsewhere."""
SMALL = LADDERS / "records.json.gz"
"""All records in one file of 86 kB; the records themselves take 1 MB."""
RESULTS = Path("results")
"""Where a checkout keeps its records."""


# ------------------------------------------------------------------------------------------- fresh seeds


def clearing(id: str) -> str:
    """The name of the runs that cleared the bar of a record, among records that are found by name.

    >>> clearing("f3")
    'f3, clearing'
    """
    return f"{id}, clearing"


def confirming_of(experiment: Experiment, root: Path, cleared: Sequence[Record]) -> list[Record]:
    """The committed runs of its fresh seeds, seed by seed; none unless all are there and of what cleared the bar."""
    if experiment.bar is None or not cleared:
        return []
    kept = [record for _, record in find_runs([root / "results" / FOLDER / experiment.id], "seed*.json")]
    fresh = sorted((record for record in kept if alike(record, cleared[0])), key=lambda record: record.seed)
    fresh = [record for record in fresh if record.seed in experiment.bar.fresh]
    return fresh if len(fresh) == experiment.bar.confirming else []


def alike(one: Record, other: Record) -> bool:
    """Whether two runs are of the same network and recipe."""
    kinds = [(run.experiment, run.network, Recipe.from_json(run.recipe)) for run in (one, other)]
    return kinds[0] == kinds[1]


def quoted(found: Found, fresh: Found) -> dict[str, Sequence[Record]]:
    """The runs whose figures every text quotes, by experiment: those of fresh seeds where there are any.

    Those that cleared the bar of such a record are found by the name that `clearing` gives.
    """
    confirmed = {id: runs for id, runs in fresh.items() if runs}
    return {**found, **confirmed, **{clearing(id): found[id] for id in confirmed}}


def confirmed(experiment: Experiment, found: Found) -> bool | None:
    """Whether fresh seeds have confirmed the bar of an experiment, of runs that are found as `quoted`; None before."""
    if experiment.bar is None or clearing(experiment.id) not in found:
        return None
    runs, first = found[experiment.id], found[clearing(experiment.id)]
    return not experiment.bar.shortfalls(first) and not experiment.bar.unconfirmed(runs)


def confirmation(experiment: Experiment, found: Found) -> str:
    """A sentence on whether fresh seeds have confirmed a record; empty for an experiment without bar or records."""
    if experiment.bar is None or not found.get(experiment.id):
        return ""
    held = confirmed(experiment, found)
    if held is None:
        return f"{NOT_CONFIRMED.capitalize()}."
    seeds = f"seeds {experiment.bar.fresh[0]} to {experiment.bar.fresh[-1]}, which are fresh"
    return f"Confirmed on {seeds}." if held else f"Not confirmed on {seeds}."


def compared(found: Found, first: str, second: str) -> Comparison:
    """The paired test of two experiments: over fresh seeds if both have them, otherwise over the seeds before these.

    Raises UsageError as `compare` does.
    """
    both = clearing(first) in found, clearing(second) in found
    names = (first, second) if all(both) or not any(both) else (_first_runs(found, first), _first_runs(found, second))
    return compare(found[names[0]], found[names[1]])


def _first_runs(found: Found, id: str) -> str:
    return clearing(id) if clearing(id) in found else id


# ------------------------------------------------------------------------------------------- packed


@lru_cache(maxsize=1)
def _all() -> tuple[Record, ...]:
    values = json.loads(gzip.decompress(SMALL.read_bytes()))
    return tuple(Record.from_json(one, SMALL.name) for one in values)


def packaged_records(id: str) -> list[Record]:
    """The records of an experiment that come with the package, seed by seed.

    >>> [record.seed for record in packaged_records("f2")]
    [0, 1, 2, 3, 4]
    """
    return [record for record in _all() if record.experiment == id]


# ------------------------------------------------------------------------------------------- committed


def in_source_tree() -> bool:
    """Whether the current folder is a checkout, to which records can be committed."""
    return SOURCES.is_dir()


def source_tree() -> Path:
    """The path of the checkout in the current folder; UsageError if there is none."""
    here = Path.cwd()
    if not in_source_tree():
        raise UsageError(f"{here} is not a featherweight source tree; records are committed in the root of a checkout.")
    return here


def records_of(id: str, root: Path) -> list[Record]:
    """The committed records of an experiment, seed by seed."""
    found = find_runs([root / RESULTS / id], "seed*.json")
    return sorted((record for _, record in found), key=lambda record: record.seed)


def keep_record(record: Record, root: Path, *, confirming: bool = False) -> None:
    """Add the record of a finished run to the committed ones; it replaces an older one of the same seed.

    With `confirming`, to those of fresh seeds.
    """
    folder = root / RESULTS / (FOLDER if confirming else "") / record.experiment
    folder.mkdir(parents=True, exist_ok=True)
    write_record(record, folder / f"seed{record.seed}.json")


def drop_unlike(record: Record, root: Path) -> None:
    """Remove the committed records of fresh seeds that are not of this record's network and recipe any more."""
    for path, kept in find_runs([root / RESULTS / FOLDER / record.experiment], "seed*.json"):
        if not alike(kept, record):
            path.unlink()
