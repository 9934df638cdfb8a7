"""Trackers: what the real ones hold afterwards, read back with their own libraries."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from commands import Run
from featherweight.errors import UsageError
from featherweight.experiments.record import Record, read_record
from featherweight.report import trackers as track
from featherweight.report.trackers import tracking
from featherweight.training.runs.events import Event, Progress
from featherweight.training.runs.task import Task, open_run, run_task

FIGURES = {
    "accuracy", "loss", "learning_rate", "class_errors", "confusion_matrix", "calibration_curve", "misclassified"
}  # fmt: skip
QUANTITIES = ("lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")


def _board(folder: Path) -> Any:
    """What TensorBoard itself reads in a run's folder."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed; pip install '.[track]'",
    )
    kept = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    kept.Reload()
    return kept


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    kept = _board(folder)
    return {name: [(point.step, point.value) for point in kept.Scalars(name)] for name in kept.Tags()["scalars"]}


def _require_rows(logged: dict[str, list[tuple[int, float]]], record: Record) -> None:
    """Each epoch of the record once, and the verdict after the last."""
    assert len(record.rows) > 1
    for name in QUANTITIES:
        expected = [(row.epoch, asdict(row)[name]) for row in record.rows]
        assert [step for step, _ in logged[name]] == [step for step, _ in expected], name
        assert [value for _, value in logged[name]] == pytest.approx([value for _, value in expected], rel=1e-6), name
    last = len(record.rows)
    verdict = {name.removeprefix("verdict/"): logged[name] for name in logged if name.startswith("verdict/")}
    assert verdict.keys() == {"passed", "last", "worst_of_last", "best"}
    for name, points in verdict.items():
        assert points == [(last, pytest.approx(float(getattr(record.verdict, name)), rel=1e-6))], name
    assert logged.keys() == {*QUANTITIES, *(f"verdict/{name}" for name in verdict)}


def test_tensorboard_holds_every_run_of_several_seeds(
    run: Run, toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard", reason="pip install '.[track]'")

    def train_all(tasks: list[Task], on: object) -> Iterator[Event]:
        runs = [run_task(task, open_run(replace(task, threads=1))) for task in tasks]
        return (event for events in zip(*runs, strict=True) for event in events)  # in turns, as side by side

    monkeypatch.setattr("featherweight.parallel.scheduler.train_all", train_all)
    monkeypatch.setattr("featherweight.training.runs.task.SHOW_SECONDS", 1e9)
    status, out, err = run("train", toy_file, "--data", "digits", "--seeds", 2, "--track", "tensorboard", "--json")
    assert status == 0, err
    document = json.loads(out)
    folders = [Path(one["run"]) for one in document["runs"]]
    assert [folder.name for folder in folders] == ["own-seed0", "own-seed1"]
    for seed, folder in enumerate(folders):
        kept, record = _board(folder), read_record(folder)
        _require_rows(_scalars(folder), record)
        assert set(kept.Tags()["images"]) == FIGURES
        assert all(kept.Images(name)[0].width > 300 for name in FIGURES)
        text = kept.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
        assert f"| seed | {seed} |" in text and "| recipe.lr | 0.05 |" in text and "| budget.parameters | 600 |" in text
        assert b"PASSED on digits" in kept.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0]
        start = kept.SummaryMetadata("_hparams_/session_start_info").plugin_data
        assert start.plugin_name == "hparams" and b"recipe.schedule.kind" in start.content


def _stopped_in_the_second_epoch(kind: str, toy_file: Path, out: Path) -> Path:
    """A tracked run of two epochs that was left a few steps after its first."""
    task = Task(experiment=str(toy_file), out=out, data="digits", engine="torch", threads=1)
    begun = open_run(task)
    with tracking(kind) as log:
        events: Iterator[Event] = run_task(task, begun)
        for event in events:
            log(event)
            if isinstance(event, Progress) and event.row is not None:
                break
        events.close()  # type: ignore[attr-defined]
    assert len(read_record(begun.folder).rows) == 1
    return begun.folder


def test_a_run_that_goes_on_has_each_epoch_once_in_tensorboard(run: Run, toy_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install '.[track]'")
    folder = _stopped_in_the_second_epoch("tensorboard", toy_file, tmp_path / "runs")
    assert [step for step, _ in _scalars(folder)["test_accuracy"]] == [1]
    status, _, err = run("train", "--resume", folder, "--track", "tensorboard")
    assert status == 0, err
    _require_rows(_scalars(folder), read_record(folder))
    assert len(list(folder.glob("events.out.tfevents*"))) == 2
    assert len(_board(folder).Tensors("settings/text_summary")) == 1


def test_epochs_from_before_a_run_was_tracked_are_logged_too(run: Run, toy_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install '.[track]'")
    task = Task(experiment=str(toy_file), out=tmp_path, data="digits", engine="torch", threads=1)
    begun = open_run(task)
    events = run_task(task, begun)
    while not begun.state.rows:
        next(events)
    events.close()  # type: ignore[attr-defined]
    assert run("train", "--resume", begun.folder, "--track", "tensorboard")[0] == 0
    _require_rows(_scalars(begun.folder), read_record(begun.folder))


def test_a_network_of_one_s_own_layers_is_tracked_too(run: Run, toy_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install '.[track]'")
    layer = "class Twice(nn.Module):\n    def forward(self, x):\n        return 2 * x\n\ndef network"
    text = toy_file.read_text().replace("def network", layer).replace("nn.Flatten(),", "nn.Flatten(), Twice(),")
    toy_file.write_text(text)
    assert run("train", toy_file, "--data", "digits", "--track", "tensorboard")[0] == 0
    folder = tmp_path / "runs" / "own-seed0"
    assert set(_board(folder).Tags()["images"]) == FIGURES
    toy_file.unlink()  # without it, the curves are left
    assert track.figures_of(folder).keys() == {"accuracy", "loss", "learning_rate"}


def _flow(store: Path) -> Any:
    flow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install '.[track]'")
    return flow.MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")


@pytest.fixture
def no_store_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _histories(client: Any, id: str) -> dict[str, list[tuple[int, float]]]:
    names = client.get_run(id).data.metrics
    return {name: [(p.step, p.value) for p in client.get_metric_history(id, name)] for name in names}


def test_mlflow_holds_every_run_and_one_that_goes_on_once(
    run: Run,
    toy_file: Path,
    tmp_path: Path,
    no_store_named: None,
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed; pip install '.[track]'")
    folder = _stopped_in_the_second_epoch("mlflow", toy_file, tmp_path / "runs")
    client = _flow(tmp_path / "runs" / "mlruns")
    (experiment,) = [one for one in client.search_experiments() if one.name == str(toy_file)]
    (stopped,) = client.search_runs([experiment.experiment_id])
    assert stopped.info.status == "KILLED"
    status, _, err = run("train", "--resume", folder, "--track", "mlflow")
    assert status == 0, err
    words = ("train", toy_file, "--data", "digits", "--seed", 1, "--track", "mlflow", "--engine", "torch", "--json")
    status, out, err = run(*words)
    folders = [folder, Path(json.loads(out)["run"])]
    assert status == 0 and [one.name for one in folders] == ["own-seed0", "own-seed1"], err
    kept = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    assert kept.keys() == {one.name for one in folders} and kept["own-seed0"].info.run_id == stopped.info.run_id
    for one in folders:
        found = kept[one.name]
        _require_rows(_histories(client, found.info.run_id), read_record(one))
        assert found.info.status == "FINISHED" and found.data.tags["verdict"].startswith("PASSED on digits")
        assert found.data.params["recipe.lr"] == "0.05" and found.data.params["budget.parameters"] == "600"
        names = {artifact.path for artifact in client.list_artifacts(found.info.run_id)}
        assert names == {f"{name}.png" for name in FIGURES}
        assert Path(found.info.artifact_uri.removeprefix("file://")).is_relative_to(tmp_path / "runs" / "mlruns")
    assert not (tmp_path / "mlruns").exists()


def _written(path: Path) -> Iterator[bytes]:
    """The records of a file of Weights & Biases: 7 bytes of header, then LevelDB's log of blocks of 32 KiB."""
    content, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := -at % 32_768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part of one that was split
            yield whole
            whole = b""


def _wand(store: Path) -> dict[str, list[dict[str, Any]]]:
    """What lies in its folder, read with the messages of its own package: of each run, the records in their order."""
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2", reason="pip install '.[track]'")
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(store.glob("offline-run-*/*.wandb")):
        for data in _written(path):
            record = messages.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            part = getattr(record, kind)
            values = {"history": "item", "summary": "update"}
            items = part.config.update if kind == "run" else getattr(part, values[kind]) if kind in values else ()
            told = {"/".join(one.nested_key) or one.key: json.loads(one.value_json) for one in items}
            found.setdefault(path.stem.removeprefix("run-"), []).append({"kind": kind, **told})
    return found


def test_wandb_holds_every_run_offline_and_one_that_goes_on_once(
    run: Run, toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed; pip install '.[track]'")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = _stopped_in_the_second_epoch("wandb", toy_file, tmp_path / "runs")
    id, epoch = (folder / "wandb-run").read_text().split()
    assert epoch == "1"
    status, _, err = run("train", "--resume", folder, "--track", "wandb")
    assert status == 0, err
    [(only, kept)] = _wand(tmp_path / "runs" / "wandb").items()
    begun = [one for one in kept if one["kind"] == "run"]
    assert only == id and [one["recipe.lr"] for one in begun] == [0.05, 0.05]
    record, rows = read_record(folder), [one for one in kept if one["kind"] == "history"]
    assert [(one["_step"], one["test_accuracy"]) for one in rows if "test_accuracy" in one] == [
        (row.epoch, row.test_accuracy) for row in record.rows
    ]
    last = next(one for one in rows if "verdict/passed" in one)
    assert last["verdict/passed"] == float(record.verdict.passed) and {name.split("/")[0] for name in last} >= FIGURES
    assert any(str(one.get("verdict", "")).startswith("PASSED on digits") for one in kept if one["kind"] == "summary")


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_an_absent_tracker_is_told_before_anything_is_trained(
    kind: str,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    status, _, err = run("train", "f1", "--data", "digits", "--track", kind)
    assert status == 2 and f"Tracking with {kind} needs" in err and f"pip install {kind}" in err
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UsageError, match="not installed here"), tracking(kind):
        pass


def test_an_unknown_tracker_is_named(run: Run) -> None:
    status, _, err = run("train", "f1", "--data", "digits", "--track", "tensorbord")
    assert status == 2 and "Unknown tracker 'tensorbord'; did you mean tensorboard?" in err


def test_without_a_tracker_nothing_is_logged(run: Run, toy_file: Path, tmp_path: Path) -> None:
    assert run("train", toy_file, "--data", "digits")[0] == 0
    names = {path.name for path in (tmp_path / "runs" / "own-seed0").iterdir()} - {".lock"}
    assert names == {"record.json", "metrics.csv", "weights.safetensors", "experiment.py"}
