"""The committed records as part of the package, so that comparisons work without a checkout."""

import gzip
import json
from functools import lru_cache
from pathlib import Path

from featherweight.experiments.experiment import LADDERS
from featherweight.experiments.record import Record

SOURCES = Path("src", "featherweight", "experiments", "ladders")
"""The folder of the experiments in a checkout; in an installed package it is elsewhere."""

SMALL = LADDERS / "records.json.gz"
"""All records in one file of 86 kB; the records themselves take 1 MB."""


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
