"""The committed records as part of the package, so that comparisons work without a checkout."""

import gzip
import json
from functools import lru_cache
from pathlib import Path

from featherweight.experiments.experiment import LADDERS, ids
from featherweight.experiments.record import Record
from featherweight.io import write_bytes
from featherweight.training.runs.folders import find_runs

SOURCES = Path("src", "featherweight", "experiments", "ladders")
"""The folder of the experiments in a checkout; in an installed package it is elsewhere."""

SMALL = LADDERS / "records.json.gz"
"""All records in one file of 86 kB; the records themselves take 1 MB."""


def content(root: Path) -> str:
    """The contents of the file, from the records in a checkout: experiment by experiment, seed by seed."""
    found = []
    for id in ids():
        records = [record for _, record in find_runs([root / "results" / id], "seed*.json")]
        found += [record.to_json() for record in sorted(records, key=lambda record: record.seed)]
    return json.dumps(found, separators=(",", ":")) + "\n"


def write_small(root: Path) -> bool:
    """Write the file in a checkout unless it is up to date; returns whether it was written."""
    path = root / SOURCES / SMALL.name
    text = content(root)
    if path.exists() and gzip.decompress(path.read_bytes()).decode() == text:
        return False
    write_bytes(path, gzip.compress(text.encode(), compresslevel=9, mtime=0))
    return True


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
