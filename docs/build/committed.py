"""Which committed records the documents quote, by experiment."""

import json
from collections.abc import Sequence
from pathlib import Path

from featherweight.errors import FileError
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.record import Record
from featherweight.json_files import digest_of
from featherweight.protocol.records import confirming_of, quoted, records_of
from featherweight.training.runs.folders import find_runs

DIGESTS = Path("results", "digests.json")
"""The digests of records that carry none themselves, since earlier versions wrote them."""


def require_unchanged(root: Path) -> int:
    """How many committed records there are, each with its digest; FileError for one that is not as it was written."""
    known = json.loads((root / DIGESTS).read_text(encoding="utf-8"))
    results = root / DIGESTS.parent
    records = list(find_runs([results], "**/seed*.json"))
    for path, record in records:
        name = path.relative_to(results).as_posix()
        if record.digest is None and known.get(name) != digest_of(json.loads(path.read_text(encoding="utf-8"))):
            raise FileError(f"results/{name} is not the record that {DIGESTS} has the digest of; restore it.")
    return len(records)


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
