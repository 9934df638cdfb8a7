"""Runs on a Ray cluster of two nodes are those of this machine, whatever happens to nodes and driver."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks import cluster as costs

import searched
from clusters import Two, braked_file, long_file
from commands import Run
from featherweight.parallel.messages import Backend
from featherweight.parallel.scheduler import train_all
from featherweight.training.runs.events import Done, Event, Failed, Progress, Spread, Started
from featherweight.training.runs.task import Task, open_run, run_task

RAY = Backend(address="ray")


def tasks(file: Path, out: Path, seeds: int = 2) -> list[Task]:
    return [Task(experiment=str(file), seed=seed, out=out, data="digits") for seed in range(seeds)]


def without_seconds(values: Any) -> Any:
    if isinstance(values, dict):
        return {
            name: without_seconds(value) for name, value in values.items() if "seconds" not in name and name != "digest"
        }  # which is of the seconds too
    return [without_seconds(one) for one in values] if isinstance(values, list) else values


def test_the_page_quotes_the_measured_costs() -> None:
    found = json.loads(costs.FIGURES.read_text(encoding="utf-8"))
    assert costs.table(found) in costs.PAGE.read_text(encoding="utf-8")
    rows = {(row["workers"], row["seconds"]): row for row in found["rows"]}
    for (workers, seconds), row in rows.items():
        rounds = row["tasks"] / workers
        assert row["lost_ms"] == pytest.approx(1000 * (row["wall"] / rounds - seconds))
    assert found["compare"]["ratio"] == found["compare"]["ray"] / found["compare"]["processes"] <= 1.1


def left(folder: Path) -> dict[str, Any]:
    """All that a run's folder holds, but the seconds."""
    table = [line.rsplit(",", 1)[0] for line in (folder / "metrics.csv").read_text().splitlines()]
    others = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("record.json", "metrics.csv")
    }
    return {"record": without_seconds(json.loads((folder / "record.json").read_text())), "table": table, **others}


def same_as_local(file: Path, out: Path, here: Path, seeds: int = 2) -> None:
    for task in tasks(file, here, seeds):
        *_, last = run_task(task, open_run(replace(task, threads=1)))
        assert isinstance(last, Done)
        found = left(out / last.folder.name)
        assert found == left(last.folder)
        assert {"weights.safetensors", "experiment.py"} < found.keys() and len(found) == 4


def test_runs_of_two_nodes_are_those_of_this_machine(two: Two, tmp_path: Path) -> None:
    file, brake = braked_file(tmp_path, epochs=30)
    events: list[Event] = []
    for event in train_all(tasks(file, tmp_path / "far"), RAY):
        events.append(event)
        if sum(isinstance(one, Started) for one in events) == 2:  # a node that starts late is to get its run too
            brake.unlink(missing_ok=True)
    begun = [one for one in events if isinstance(one, Started)]
    assert sorted(one.folder for one in begun) == [tmp_path / "far" / f"long-seed{seed}" for seed in (0, 1)]
    rows = [(one.label, one.row.epoch) for one in events if isinstance(one, Progress) and one.row]
    assert sorted(rows) == [(f"{file} seed {seed}", epoch) for seed in (0, 1) for epoch in range(1, 31)]
    assert sum(isinstance(one, Done) for one in events) == 2
    *_, last = [one for one in events if isinstance(one, Spread)]
    assert [*last.ended.values()] == [1, 1], "a run on each node"
    same_as_local(file, tmp_path / "far", tmp_path / "near")


def test_a_task_that_fails_there_leaves_the_others(two: Two, tmp_path: Path) -> None:
    file = long_file(tmp_path, epochs=1)
    given = [*tasks(file, tmp_path, seeds=1), Task(experiment="f3", data="digits", engine="natve", out=tmp_path)]
    ends = {one.label: one for one in train_all(given, RAY) if isinstance(one, Done | Failed)}
    assert isinstance(ends[f"{file} seed 0"], Done)
    failed = ends["f3 seed 0"]
    assert isinstance(failed, Failed) and failed.exit_status == 2 and "natve" in failed.sentence


def test_prove_over_both_rests_on_the_same_runs(two: Two, tmp_path: Path, run: Run) -> None:
    file = long_file(tmp_path, epochs=2)
    status, printed, said = run("prove", file, "--data", "digits", "--json", "--out", "far", "--on", "ray")
    assert status == 0, said
    assert "ended, 3 of 3 runs" in said and "ended, 2 of 2 runs" in said
    proof = json.loads(printed)
    assert proof["proved"] and [one["seed"] for one in proof["runs"]] == [0, 1] and proof["held_out"]["seeds"] == 3
    same_as_local(file, tmp_path / "far", tmp_path / "near")


def command(file: Path, out: Path, two: Two) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "featherweight", "train", str(file), "--data", "digits", "--seeds", "2", "--json"]
    return subprocess.Popen(
        [*words, "--on", "ray", "--out", str(out)], env=os.environ | {"RAY_ADDRESS": two.address}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def epochs_of(out: Path) -> list[int]:
    """The epochs in each record."""
    return [len(json.loads(path.read_text())["epochs"]) for path in sorted(out.glob("*/record.json"))]


def wait_for(out: Path, more_than: int, driver: subprocess.Popen[str]) -> None:
    """Until the records of both seeds are past this epoch, and their states are here."""
    end = time.monotonic() + 600
    while len(list(out.glob("*/state.safetensors"))) < 2 or min(epochs_of(out), default=0) <= more_than:
        assert driver.poll() is None and time.monotonic() < end, "no states came back"
        time.sleep(0.05)


def test_a_driver_that_is_killed_or_stopped_is_taken_up_by_the_same_command(two: Two, tmp_path: Path) -> None:
    (file, brake), out = braked_file(tmp_path, epochs=60), tmp_path / "far"
    first = command(file, out, two)
    wait_for(out, 0, first)
    first.kill()
    first.communicate()
    reached = max(epochs_of(out))
    second = command(file, out, two)
    wait_for(out, reached, second)
    second.send_signal(signal.SIGINT)
    _, said = second.communicate(timeout=600)
    assert second.returncode == 130 and "train --resume" in said
    assert reached < min(epochs_of(out)) and max(epochs_of(out)) < 60
    brake.unlink()
    third = command(file, out, two)
    printed, said = third.communicate(timeout=600)
    assert third.returncode == 0, said
    assert [len(one["epochs"]) for one in json.loads(printed)["runs"]] == [60, 60]
    assert len(list(out.iterdir())) == 2
    same_as_local(file, out, tmp_path / "near")


def test_a_search_asks_and_tells_here_alone(two: Two, tmp_path: Path, run: Run) -> None:
    data = searched.data_folder(tmp_path)
    words = ("search", searched.space_file(tmp_path), "--trials", 3, "--data", data, "--holdout", 1000, "--on", "ray")
    status, printed, said = run(*words, "--engine", "torch", "--json")
    assert status == 0, said
    found = json.loads(printed)
    assert found["counts"]["ended"] == 3 and found["counts"]["running"] == found["counts"]["lost"] == 0
    status, printed, _ = run(*words, "--engine", "torch", "--json")
    assert status == 0 and json.loads(printed)["trials"] == found["trials"], "nothing is left to do"


def events_with_a_death(two: Two, given: list[Task], brake: Path) -> Iterator[Event]:
    """Kills the second node when two tasks are past their first epoch; a third joins, and the brake is let go there."""
    reached: dict[str, int] = {}
    killed = False
    for event in train_all(given, RAY):
        yield event
        if isinstance(event, Progress) and event.row:
            reached[event.label] = event.row.epoch
        if not killed and len(reached) == 2 and min(reached.values()) > 1:
            killed = True
            two.kill_second()
            two.add("127.0.0.3")
        if isinstance(event, Spread) and any(many for name, many in event.running.items() if "127.0.0.3" in name):
            brake.unlink(missing_ok=True)


def test_a_task_whose_node_is_killed_goes_on_at_one_that_joins(two: Two, tmp_path: Path) -> None:
    """The last test: it leaves the cluster with another second node."""
    file, brake = braked_file(tmp_path, epochs=20)
    events = list(events_with_a_death(two, tasks(file, tmp_path / "far", seeds=4), brake))
    assert [one for one in events if isinstance(one, Failed)] == []
    spreads = [one for one in events if isinstance(one, Spread)]
    assert any(one.waiting == 3 for one in spreads), "the lost task waited"
    assert {name.split()[-1] for one in spreads for name, many in one.running.items() if many} >= {"127.0.0.3"}
    for seed in range(4):
        rows = [one.row.epoch for one in events if isinstance(one, Progress) and one.row and one.label[-1] == str(seed)]
        assert rows == list(range(1, 21)), "nothing is told twice"
    same_as_local(file, tmp_path / "far", tmp_path / "near")


@pytest.mark.parametrize("words", [("train", "f3"), ("ladder", "f"), ("prove", "smallest")])
def test_without_ray_one_sentence_says_how_to_get_it(
    words: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featherweight.parallel.ray_cluster.find_spec", lambda name: None)
    status, _, said = run(*words, "--on", "ray")
    assert status == 2 and "pip install --upgrade 'ray[client]'" in said and said.count("\n") == 1
    status, _, said = run(*words, "--on", "elsewhere")
    assert status == 2 and "ray://HOST:PORT; given 'elsewhere'" in said
