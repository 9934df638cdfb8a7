"""`featherweight ladder`: what is trained, resumed, left out and written."""

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from commands import Run
from featherweight.cli.display import shown
from featherweight.cli.training_display import RunsView
from featherweight.experiments.experiment import find
from featherweight.experiments.record import read_record, write_record
from featherweight.training.runs import folders as run_folders
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.task import Task, open_run, run_task
from made import MNIST, record

FINISHED = [record("c3", [99.0] * 15, seed) for seed in (0, 1)]


def test_finished_and_unfinished_runs(tmp_path: Path) -> None:
    c3 = replace(find("c3"), id="c3[1]")  # as of a file of this name
    cases = {
        "c3-seed0": record("c3", [99.0] * 15),
        "c3-seed1": record("c3", [99.0] * 4, 1, finished=False),
        "c3-seed10": record("c3", [99.0] * 15, 10),
        "c3-seed2": record("c3", [99.0] * 15, 2, recipe=find("f3").recipe.to_json()),
        "c3-seed3": record("c3", [99.0] * 15, 3, data=MNIST | {"source": "digits"}),
        "c3-seed4": record("c3", [99.0] * 15, 4, data=MNIST | {"holdout": 5000}),
        "c3-seed5": record("c3", [99.0] * 15, 5, network="another"),
    }
    for name, one in cases.items():
        folder = tmp_path / name.replace("c3", "c3[1]")
        folder.mkdir()
        write_record(replace(one, experiment="c3[1]"), folder / "record.json")
    found = run_folders.finished_runs(c3, [tmp_path], range(6), "mnist")
    assert [one.seed for one in found] == [0]
    resumed = {seed: run_folders.unfinished_run(c3, tmp_path, seed, "mnist") for seed in range(6)}
    assert {seed: path for seed, path in resumed.items() if path} == {1: tmp_path / "c3[1]-seed1"}
    assert [one.seed for one in run_folders.finished_runs(c3, [tmp_path], range(6), "digits")] == [3]


def test_committed_records_count_as_finished(tmp_path: Path) -> None:
    (tmp_path / "results" / "c3").mkdir(parents=True)
    write_record(FINISHED[1], tmp_path / "results" / "c3" / "seed1.json")
    assert run_folders.finished_runs(find("c3"), [tmp_path / "results"], range(3), "mnist") == [
        read_record(tmp_path / "results" / "c3" / "seed1.json")
    ]


def test_changed_settings_reach_every_rung_and_leave_its_own_runs_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_shown(tasks: Sequence[Task], as_json: bool, track: object, on: object) -> tuple[list[Done], list[Failed]]:
        done = []
        for task in tasks:
            *_, last = run_task(task, open_run(replace(task, threads=1)))
            assert isinstance(last, Done)
            done.append(last)
        return done, []

    monkeypatch.setattr("featherweight.cli.console.train_shown", train_shown)
    words = ("ladder", "d", "--data", "digits", "--epochs", 1, "--batch", 128, "--held", 1, "--target", 1)
    status, out, err = run(*words)
    told = ["`epochs` 20 → 1", "`batch` 64 → 128", "`budget.accuracy` 99.4 → 1", "`budget.held` 5 → 1"]
    assert status == 0 and f"changed: {', '.join(told)}; runs and page go to runs/ladder-d-changed-" in out, err
    [folder] = (tmp_path / "runs").iterdir()
    ended = read_record(folder / "d1-seed0")
    assert (len(ended.rows), ended.recipe["batch"], ended.verdict.passed) == (1, 128, True)
    assert f"**Changed for these runs**: {', '.join(told)}. All else" in (folder / "d.md").read_text()
    shown_run = run("show", folder / "d1-seed0")[1]
    assert f"changed from d1: {', '.join(told)}" in " ".join(shown_run.split())


def test_list_needs_no_torch() -> None:
    program = "import sys; sys.argv = ['featherweight', 'list']; import featherweight.cli as c\n" \
        "try: c.main()\nexcept SystemExit: pass\nsys.exit('torch' in sys.modules)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "c3" in done.stdout


def test_progress_counts_the_runs_that_have_ended(tmp_path: Path) -> None:
    to = io.StringIO()
    with shown(to, RunsView(3, labels=True)) as show:
        show(Done(label="c3 seed 0", folder=tmp_path, record=FINISHED[0]))
        show(Failed(label="c3 seed 1", sentence="No luck.", exit_status=4))
    assert to.getvalue().splitlines() == [
        "c3 seed 0  ended, 1 of 3 runs",
        "c3 seed 1: No luck.",
        "c3 seed 1  ended, 2 of 3 runs",
    ]
    alone = io.StringIO()
    with shown(alone, RunsView()) as show:
        show(Done(label="c3 seed 0", folder=tmp_path, record=replace(FINISHED[0])))
    assert alone.getvalue() == ""
