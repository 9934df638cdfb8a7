"""The committed ledger against the committed records: no line can be changed or left out unnoticed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docs.build import committed as quoted_records
from docs.build.keep import keep_runs

from featherweight.experiments.experiment import find, ids
from featherweight.experiments.record import Record, write_record
from featherweight.io import locked
from featherweight.protocol import records as kept_records
from featherweight.protocol.ledger import (
    Attempt,
    Key,
    attempts_table,
    belongs,
    key,
    note_rungs,
    read_ledger,
    recipe_digest,
)
from made import record

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "results" / "test_evaluations.jsonl"
ENVIRONMENT = {"commit": "abc", "torch": "2.13.0", "threads": 1, "device_type": "cpu"}


def kept() -> dict[str, Sequence[Record]]:
    """Records of all that was scored on the test set, by their folder."""
    own = {id: kept_records.records_of(id, ROOT) for id in ids()}
    fresh = {f"confirm/{id}": runs for id, runs in quoted_records.fresh_of(ROOT, own).items()}
    return {**quoted_records.trials_of(ROOT), **own, **fresh}


def keys(found: dict[str, Sequence[Record]]) -> list[tuple[int, Key]]:
    return [(record.seed, key(record)) for runs in found.values() for record in runs]


def faults(ledger: Sequence[Attempt], records: list[tuple[int, Key]]) -> list[str]:
    """What is wrong between the two: a record without its one line, a line without a record."""
    told = []
    for seed, known in records:
        lines = sum(belongs(attempt, seed, known) for attempt in ledger)
        if lines != 1:
            told.append(f"{known[0]} seed {seed} of {known[3]} has {lines} lines")
    for attempt in ledger:
        without = "notebook" in attempt.note or "trained again" in attempt.note
        if not without and not any(belongs(attempt, *one) for one in records):
            told.append(f"{attempt.experiment} of {attempt.commit} has no record")
    return told


def test_every_record_has_its_line_and_every_line_its_record() -> None:
    found = kept()
    assert sum(map(len, found.values())) > 190
    assert all(one.data["holdout"] == 0 for runs in found.values() for one in runs)
    assert faults(read_ledger(LEDGER), keys(found)) == []


def test_a_line_that_is_changed_or_taken_away_is_noticed() -> None:
    ledger, records = read_ledger(LEDGER), keys(kept())
    noticed = 0
    for place, attempt in [*enumerate(ledger)][::7]:
        if "notebook" in attempt.note or "trained again" in attempt.note:
            continue
        rest = [*ledger[:place], *ledger[place + 1 :]]
        changes = [replace(attempt, experiment="x"), replace(attempt, network="0" * 16),
                   replace(attempt, recipe="0" * 16),
                   replace(attempt, commit="0" * 12), replace(attempt, seeds=(77,))]  # fmt: skip
        assert all(faults([*rest, one], records) for one in changes) and faults(rest, records)
        noticed += 1
    assert noticed > 10


def test_no_notebook_looks_at_the_test_set_and_the_looks_of_earlier_ones_stay_counted() -> None:
    notes = [attempt.note for attempt in read_ledger(LEDGER)]
    for name in ("quick_start", "step_1", "step_2", "step_3"):
        assert len([note for note in notes if f"notebook {name}," in note]) == 2
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 7
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        assert "on mnist (10,000 test images)" not in text and "judged on 10,000 test images" not in text


def test_attempts_have_their_results_stopped_ones_too() -> None:
    attempt = Attempt(experiment="c3", network="n", recipe="r", seeds=(0, 1, 2), commit="abc", date="2026-01-02")
    runs = [record("c3", [99.0] * 10 + [99.5, 99.1, 99.5, 99.5, last], seed, train_seconds=60.0 + seed,
                   environment={"commit": "abc+", "threads": 1}) for seed, last in ((0, 99.2), (1, 99.6))]  # fmt: skip
    attempt = replace(attempt, network=runs[0].network, recipe=recipe_digest(find("c3").recipe))
    later = replace(attempt, commit="def", date="2026-01-01", note="given up")
    ledger = [attempt, later, replace(attempt, experiment="c2")]
    shown = attempts_table("c3", ledger, {"c3_first": runs})
    assert shown is not None and len(shown.rows) == 2 and len(shown.align) == len(shown.headings) == 10
    assert shown.rows[0][4:] == ("–", "–", "–", "–", "–", "given up")
    # (99.2 + 99.6) / 2, the lowest of the last five, and none of two within a budget of 99.40 % in each.
    assert shown.rows[1][3:9] == ("3", "2", "99.400", "99.10", "0 of 2", "60.0 to 61.0")


def test_a_ladder_that_is_kept_writes_its_lines_before_it_trains(tmp_path: Path) -> None:
    path = tmp_path / "test_evaluations.jsonl"
    rungs = [find("c2"), find("c3")]
    likes = {rung.id: record(rung.id, [], environment={"commit": "abc", "threads": 1}) for rung in rungs}
    note_rungs(path, {"c2": [], "c3": [1, 2]}, rungs, likes, begun=set())
    note_rungs(path, {"c3": [1, 2]}, rungs, likes, begun={"c3"})
    (attempt,) = read_ledger(path)
    one = record("c3", [99.0] * 15, 2, environment={"commit": attempt.commit, "threads": 1})
    assert attempt.seeds == (1, 2) and belongs(attempt, 2, key(one)) and not belongs(attempt, 0, key(one))


def test_runs_that_are_kept_are_counted_with_stopped_ones_and_without_those_in_training(tmp_path: Path) -> None:
    runs, root = tmp_path / "runs", tmp_path / "root"
    (root / "results").mkdir(parents=True)
    for seed in range(4):
        about = {"finished": seed < 2, "environment": ENVIRONMENT}
        (runs / f"c2-seed{seed}").mkdir(parents=True)
        write_record(record("c2", [99.0], seed, **about), runs / f"c2-seed{seed}" / "record.json")
    with locked(runs / "c2-seed3" / ".lock"):
        assert [path.name for path in keep_runs(runs, root)] == ["seed0.json", "seed1.json"]
    (attempt,) = read_ledger(root / "results" / "test_evaluations.jsonl")
    assert attempt.seeds == (0, 1, 2) and keep_runs(runs, root) == []
    assert [line.seeds for line in read_ledger(root / "results" / "test_evaluations.jsonl")] == [(0, 1, 2), (3,)]
