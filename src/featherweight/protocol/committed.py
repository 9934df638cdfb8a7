"""The committed records of a source tree, in its folder `results`: finding one's tree, reading and keeping records."""

from dataclasses import replace
from pathlib import Path

from featherweight.errors import UsageError
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.record import Record, write_record
from featherweight.protocol.bundled_records import SOURCES
from featherweight.protocol.replication import FOLDER, alike
from featherweight.training.runs.folders import find_runs

RESULTS = Path("results")
"""Where a checkout keeps its records."""


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
    """The committed records of an experiment, seed by seed, judged by the budget that it has now."""
    found = sorted((record for _, record in find_runs([root / RESULTS / id], "seed*.json")), key=lambda one: one.seed)
    budget = find(id).budget.to_json() if id in ids() else None
    return [replace(record, budget=budget or record.budget) for record in found]


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
