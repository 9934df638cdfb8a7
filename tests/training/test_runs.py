"""Runs and their folders: taking one up, who may, and what counts as the same."""

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import toy
from commands import Run
from featherweight import data as datasets
from featherweight.data.dataset import Data
from featherweight.engine import native
from featherweight.errors import FileError, InterruptedRunError, UsageError
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.record import read_record
from featherweight.experiments.settings import overridden
from featherweight.networks.checks import fingerprint
from featherweight.training.runs import run as runs
from featherweight.training.runs.folders import new_folder, run_of


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for runs of the toy task, which `resume` finds as it would find any other."""
    monkeypatch.setattr(runs, "data_of", lambda record, directory: toy.data())
    return tmp_path


def _start(home: Path, experiment: Experiment | None = None, data: Data | None = None) -> runs.Run:
    return runs.new_run(experiment or toy.experiment(), data or toy.data(), out=home, engine="torch", threads=1)


def _stopped(home: Path, after: int) -> Path:
    """A run of 3 epochs of 4 steps that was left after so many events, with the state it had then."""
    run = _start(home)
    events = runs.train(run)
    for _ in islice(events, after):
        pass
    runs.save_state(run.state, runs.identity(run.record), run.folder / "state.safetensors")
    events.close()
    return run.folder


def _rows(folder: Path) -> list[Any]:
    return [replace(row, seconds=0.0) for row in read_record(folder).rows]


@pytest.mark.parametrize("after", [0, 1, 5, 14, 15])
def test_a_run_left_anywhere_has_its_whole_record_in_the_end(home: Path, after: int) -> None:
    """Also after the last evaluation, when there is nothing left to train."""
    whole = _start(home)
    assert len(list(runs.train(whole))) == 15
    folder = _stopped(home, after)
    for _ in runs.train(runs.resume(folder)):
        pass
    assert read_record(folder).finished and _rows(folder) == _rows(whole.folder)
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + 3
    assert (folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()
    assert not (folder / "state.safetensors").exists()


@pytest.mark.parametrize("when", ["in a step", "while it is shown"])
def test_stopping_saves_the_step_that_was_under_way(home: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _start(home)
    asked: list[int] = []
    monkeypatch.setattr(runs, "stop_signals", lambda: _as_context(asked))
    step = run.engine.step
    if when == "in a step":
        run.engine = replace(run.engine, step=lambda *given: (asked.append(15), step(*given))[1])
    with pytest.raises(InterruptedRunError) as caught:
        for state in runs.train(run):
            asked += [15] * (state.step == 1)
    assert caught.value.exit_status == 128 + 15
    assert runs.resume(run.folder).state.step == 1


def _as_context(value: list[int]) -> Any:
    class Context:
        def __enter__(self) -> list[int]:
            return value

        def __exit__(self, *_: object) -> None:
            return None

    return Context()


def test_a_folder_belongs_to_one_process(home: Path) -> None:
    run = _start(home)
    events = runs.train(run)
    next(events)
    with pytest.raises(UsageError, match="is being trained by another process"):
        next(runs.train(runs.resume(run.folder)))
    events.close()
    assert len(list(runs.train(runs.resume(run.folder)))) == 14  # whoever goes away leaves the state saved


def test_a_record_that_was_changed_while_there_is_a_state_is_named(home: Path) -> None:
    folder = _stopped(home, 5)
    record = json.loads((folder / "record.json").read_text())
    del record["digest"]  # as earlier versions wrote it
    changes = {"budget.accuracy": ("budget", {"accuracy": 0}), "recipe.lr": ("recipe", {"lr": 0.2})}
    for named, (part, change) in changes.items():
        (folder / "record.json").write_text(json.dumps(record | {part: record[part] | change}))
        with pytest.raises((UsageError, FileError), match=rf"{named}"):
            runs.resume(folder)


def test_fingerprints_tell_settings_apart() -> None:
    assert fingerprint(nn.Conv2d(2, 3, 3)) == fingerprint(nn.Conv2d(2, 3, 3))
    others = [nn.Conv2d(2, 3, 3, stride=2), nn.Conv2d(2, 3, 3, bias=False), nn.Conv2d(2, 5, 3)]
    assert len({fingerprint(network) for network in [nn.Conv2d(2, 3, 3), *others]}) == 4


def test_new_folders_are_numbered_and_one_that_never_began_is_taken(tmp_path: Path) -> None:
    def begun(file: str) -> str:
        with new_folder(tmp_path / "a b", "f3-seed0") as folder:
            (folder / file).touch()
        return folder.name

    # Killed before it wrote a record: with nothing, with a file half written, with the experiment's file.
    assert [begun(file) for file in (".record.json.9.part", "experiment.py", "record.json")] == ["f3-seed0"] * 3
    assert [begun(file) for file in ("notes.txt", "record.json")] == ["f3-seed0-2", "f3-seed0-3"]
    assert sorted(path.name for path in (tmp_path / "a b").iterdir()) == ["f3-seed0", "f3-seed0-2", "f3-seed0-3"]


@pytest.mark.parametrize("after", [4, 14])
def test_stopping_in_an_evaluation_saves_and_is_resumed_there(
    home: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 4 steps the first epoch is evaluated; after the third epoch's, the training images are."""
    monkeypatch.setattr("featherweight.training.evaluation.EVALUATION_BATCH", 20)
    whole = _start(home)
    assert len(list(runs.train(whole))) == 15
    run = _start(home)
    asked: list[int] = []
    monkeypatch.setattr(runs, "stop_signals", lambda: _as_context(asked))
    count, evaluator = 0, run.evaluator

    def scores(images: Tensor) -> Tensor:
        nonlocal count
        count += 1
        asked.extend([2] * (count == calls))
        return evaluator.scores(images)

    calls = {4: 1, 14: 3 * 2 + 1}[after]  # 23 test images take two batches
    run.evaluator = replace(evaluator, scores=scores)
    with pytest.raises(InterruptedRunError) as caught:
        list(runs.train(run))
    assert caught.value.exit_status == 130 and count == calls
    monkeypatch.setattr(runs, "stop_signals", lambda: _as_context([]))
    again = runs.resume(run.folder)
    assert (again.state.epoch, again.state.step) == ((0, 4) if after == 4 else (3, 0))
    for _ in runs.train(again):
        pass
    assert _rows(run.folder) == _rows(whole.folder)
    assert (run.folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()


def test_what_killed_processes_left_is_swept(home: Path) -> None:
    folder = _stopped(home, 5)
    (folder / ".state.safetensors.123.part").write_bytes(b"half")
    (folder / ".lock").write_bytes(b"")
    for _ in runs.train(runs.resume(folder)):
        pass
    left = ["metrics.csv", "record.json", "weights.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == left
    (folder / "state.safetensors").write_bytes(b"killed before this was removed")
    (folder / "state.before.safetensors").write_bytes(b"")
    (folder / ".lock").write_bytes(b"")
    with pytest.raises(UsageError, match="is finished"):
        runs.resume(folder)
    assert sorted(path.name for path in folder.iterdir()) == left


def test_a_run_that_another_process_has_trained_meanwhile_is_refused(home: Path) -> None:
    folder = _stopped(home, 5)
    first, second = runs.resume(folder), runs.resume(folder)
    next(runs.train(first))
    with pytest.raises(UsageError, match="Another process has trained the run of .* since it was loaded; try again"):
        next(runs.train(second))
    for _ in runs.train(first):  # the same process goes on as often as it likes
        pass
    assert read_record(folder).finished


def test_a_damaged_state_is_told_and_the_one_before_leads_to_the_same_end(home: Path) -> None:
    whole = _start(home)
    assert len(list(runs.train(whole))) == 15
    folder = _stopped(home, 7)
    path = folder / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    again = runs.resume(folder)
    assert any("using the previous state" in line for line in again.introduction())
    for _ in runs.train(again):
        pass
    assert (folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()


def test_a_run_without_any_state_begins_anew_and_says_so(home: Path) -> None:
    folder = _stopped(home, 7)
    for path in folder.glob("state*"):
        path.unlink()
    again = runs.resume(folder)
    assert again.state.step == 0 and "holds no state; the run starts over" in again.introduction()[0]


def test_what_must_be_the_same_is_compared_with_the_record_too(home: Path) -> None:
    folder = _stopped(home, 0)
    for path in folder.glob("state*"):
        path.unlink()
    record = json.loads((folder / "record.json").read_text())
    del record["digest"]  # as earlier versions wrote it
    changes = {"torch": "1.0", "instructions": "SSE", "threads": 2, "device": "cuda"}
    for name, value in changes.items():
        changed = record | {"environment": record["environment"] | {name: value}}
        (folder / "record.json").write_text(json.dumps(changed))
        if name == "threads":  # taken from the record, so what it says is what it is
            assert runs.resume(folder).record.environment["threads"] == 2
            continue
        with pytest.raises(UsageError, match=rf"this has changed: {name} \(was {value}, is "):
            runs.resume(folder)
    (folder / "record.json").write_text(json.dumps(record | {"data": record["data"] | {"test": 24}}))
    with pytest.raises(UsageError, match=r"this has changed: data\.test \(was 24, is 23\)\. Restore"):
        runs.resume(folder)


def test_a_state_where_the_run_never_is_is_refused(home: Path) -> None:
    folder = _stopped(home, 1)
    run = runs.resume(folder)
    run.state.seen = 17
    runs.save_state(run.state, runs.identity(run.record), folder / "state.safetensors")
    with pytest.raises(
        FileError, match=r"is at epoch 1, step 1, 17 images, which this run cannot reach \(3 epochs of 53"
    ):
        runs.resume(folder)


def test_a_folder_that_cannot_be_written_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _start(home)

    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(FileError, match=r"nothing can be written there \(Read-only file system\)"):
        next(runs.train(run))


@pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")
def test_a_stopped_run_of_the_native_engine_goes_on_with_any_number_of_threads_bit_for_bit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within an epoch, then gone on with one thread or two, it ends as a run that was never stopped."""
    monkeypatch.setattr("featherweight.engine.processors", lambda: 2)
    experiment = overridden(find("f2"), {"recipe.epochs": 2, "recipe.average": 0.9, "recipe.batch": 96})
    digits = datasets.load("digits")

    def begun(out: Path, steps: int | None) -> Path:
        one = runs.new_run(experiment, digits, out=out, engine="native", threads=1)
        for number, _ in enumerate(runs.train(one), start=1):
            if number == steps:
                break
        return one.folder

    whole, stopped = begun(tmp_path / "whole", None), begun(tmp_path / "stopped", 22)  # of 15 steps an epoch
    expected, rows = load_file(whole / "weights.safetensors"), read_record(whole).rows
    for threads in (1, 2):
        again = tmp_path / f"again-{threads}"
        shutil.copytree(stopped, again)
        status, _, err = run("train", "--resume", again, "--threads", threads, "--json")
        assert status in (0, 1), err
        ended = read_record(again)
        assert ended.finished and ended.environment["threads"] == threads
        found = load_file(again / "weights.safetensors")
        assert found.keys() == expected.keys() and len(found) > 10
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert [replace(row, seconds=0) for row in ended.rows] == [replace(row, seconds=0) for row in rows]


def test_a_finished_search_stands_for_its_run_of_the_lowest_seed(tmp_path: Path) -> None:
    """A seed that would not have ended in time was given up, whichever it was; 2 comes before 10."""
    for name in ("net-seed10", "net-seed2", "net-seedling", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    assert run_of(tmp_path) == tmp_path  # no search has ended here
    (tmp_path / "fit.json").write_text("{}")
    assert run_of(tmp_path) == tmp_path / "runs" / "net-seed2"
    (tmp_path / "next" / "runs" / "net-seed3").mkdir(parents=True)
    assert run_of(tmp_path) == tmp_path / "runs" / "net-seed2"
    (tmp_path / "next" / "fit.json").write_text("{}")  # killed while the next result took its place
    assert run_of(tmp_path) == tmp_path / "next" / "runs" / "net-seed3"
