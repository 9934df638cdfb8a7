"""What a new user is told where they would otherwise have to guess: columns, times, targets, and narrow terminals."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import featherweight as fw
from commands import Run
from featherweight.cli.training_display import column_notes
from featherweight.protocol import proof_runs as estimate
from featherweight.protocol.compare import compare
from featherweight.protocol.records import records_of
from featherweight.training.runs.task import Task
from made import record

ROOT = Path(__file__).parents[2]


def test_columns_are_explained_once_by_what_the_recipe_does(run: Run, toy_file: Path) -> None:
    status, out, _ = run("train", toy_file, "--data", "digits", "--engine", "torch")
    assert status == 0 and out.count("training: mean over the epoch's steps") == 1
    out = " ".join(out.split())
    assert "pictures as they are" in out and "moving average" not in out
    told = column_notes(fw.find("f3").recipe)
    assert "may lie below the test" in told and "hard ones" in told and "last 2 epochs take them as they are" in told


def test_runs_that_take_minutes_are_announced_with_their_time(monkeypatch: pytest.MonkeyPatch, toy_file: Path) -> None:
    monkeypatch.setattr(estimate, "seconds_of_run", lambda run, measured: 45.0)
    monkeypatch.setattr(estimate, "processors", lambda: 2)
    tasks = [Task(experiment=str(toy_file), data="digits", seed=seed) for seed in range(8)]
    assert estimate.time_sentence(tasks) == "8 runs take about 3 min on this machine"  # 8 x 45 s, two at a time
    assert estimate.time_sentence(tasks[:1]) == "" == estimate.time_sentence([])


def test_a_rung_is_judged_by_the_target_that_its_file_states() -> None:
    for id, target in (("f1", 99.0), ("f2", 99.2)):
        rung, records = fw.find(id), records_of(id, ROOT)
        assert f"{target:.1f} %" in rung.text.split("Why:")[0] and rung.budget.accuracy == target
        assert len(records) == 5 and all(one.verdict.passed for one in records)
        assert not any(replace(one, budget=rung.judged_by.to_json()).verdict.passed for one in records)


def test_runs_of_the_same_network_and_recipe_are_called_equal() -> None:
    runs = [record("c2", [99.0] * 14 + [last], seed) for seed, last in enumerate((99.33, 99.36, 99.40))]
    said = compare(runs, [replace(one, experiment="mine.py") for one in runs]).sentence()
    assert "c2 and mine.py are equal on each of 3 seeds" in said


def test_no_option_is_cut_off_in_a_narrow_terminal() -> None:
    command = [sys.executable, "-m", "featherweight", "train", "--help"]
    out = subprocess.run(command, env=os.environ | {"COLUMNS": "40"}, capture_output=True, text=True, check=True).stdout
    assert "…" not in out
    for option in ("--max-params", "--precision", "--threads", "--experiment"):
        assert option in out
