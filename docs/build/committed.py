"""Which committed records the documents quote, by experiment."""

from collections.abc import Sequence
from pathlib import Path

from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.record import Record
from featherweight.protocol.records import confirming_of, quoted, records_of


def fresh_of(root: Path, own: Found) -> Found:
    """The committed records of fresh seeds, by the record that they confirm."""
    fresh = {id: confirming_of(find(id), root, records) for id, records in own.items()}
    return {id: records for id, records in fresh.items() if records}


def quoted_of(id: str, root: Path) -> Sequence[Record]:
    """The committed records of an experiment whose figures are quoted: of fresh seeds where these have run."""
    own = {id: records_of(id, root)}
    return quoted(own, fresh_of(root, own))[id]


def trials_of(root: Path) -> Found:
    """The committed records of trials and of other engines, by the name of their folder."""
    results = root / "results"
    folders = sorted({path.parent for kind in ("trials", "engines") for path in results.glob(f"{kind}/*/seed*.json")})
    return {folder.name: records_of(str(folder.relative_to(results)), root) for folder in folders}


def measured(root: Path, data: str = "mnist") -> Found:
    """The committed records that are quoted of every experiment on a data set that has any, by its name."""
    found = {id: quoted_of(id, root) for id in ids() if find(id).data == data}
    return {id: records for id, records in found.items() if records}
