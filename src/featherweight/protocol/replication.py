"""The fresh seeds of a record, which are run once after its bar is cleared: from then on, their figures are its own.

A bar that is cleared by the second candidate, a little above it, is partly luck; seeds that had no part in any choice
are free of that. Their records lie in `results/confirm/ID`, beside those of the seeds that cleared the bar.
"""

from collections.abc import Sequence
from pathlib import Path

from featherweight.experiments.experiment import Experiment
from featherweight.experiments.findings import Found
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.protocol.compare import Comparison, compare
from featherweight.training.runs.folders import find_runs

FOLDER = "confirm"
"""Where these runs are kept, both in a folder of runs and in `results/`."""
NOT_CONFIRMED = "not yet confirmed on fresh seeds"


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
