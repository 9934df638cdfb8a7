"""Keeping finished runs of rungs and of their companions among the committed records, each in the ledger."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from featherweight.experiments.experiment import ids
from featherweight.experiments.record import Record, write_record
from featherweight.io import locked
from featherweight.protocol.ledger import LEDGER, Attempt, Key, belongs, key, note_attempt, read_ledger
from featherweight.protocol.records import RESULTS
from featherweight.training.runs.folders import find_runs

TRIALS = "trials"
"""Where, in `results/`, the runs of experiments lie that are not part of the package."""


def keep_runs(runs: Path, root: Path) -> list[Path]:
    """Copy the record of every finished run in a folder of runs into `results/`; returns the files that are new.

    An experiment that lies in a file of its own, such as those of `benchmarks/companions`, is kept by its id. Every run
    gets its line in the ledger, stopped ones beside a finished one as well, but none that is being trained.
    """
    records = [_by_id(record) for path, record in find_runs([runs], "*/record.json") if not _in_training(path)]
    begun: dict[Key, set[int]] = {}
    for record in records:
        begun.setdefault(key(record), set()).add(record.seed)
    finished = [record for record in records if record.finished and record.data["holdout"] == 0]
    ledger = root / RESULTS / LEDGER
    for known in dict.fromkeys(map(key, finished)):
        lines = read_ledger(ledger)
        new = sorted(seed for seed in begun[known] if not any(belongs(line, seed, known) for line in lines))
        if new:
            note_attempt(ledger, _attempt(known, new), begun=False)
    written = []
    for record in finished:
        place = RESULTS / (record.experiment if record.experiment in ids() else f"{TRIALS}/{record.experiment}")
        path = root / place / f"seed{record.seed}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_record(record, path)
            written.append(path)
    return written


def _in_training(run: Path) -> bool:
    try:
        with locked(run / ".lock", wait=False):
            return False
    except BlockingIOError:
        return True


def _by_id(record: Record) -> Record:
    return replace(record, experiment=Path(record.experiment).stem)


def _attempt(known: Key, seeds: list[int]) -> Attempt:
    experiment, network, recipe, commit = known
    return Attempt(
        experiment=experiment,
        network=network,
        recipe=recipe,
        seeds=tuple(seeds),
        commit=commit,
        date=date.today().isoformat(),
        note="counted from its runs",
    )
