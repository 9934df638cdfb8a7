"""A teacher's table: runs of many folders, judged without running anybody's code, and trained again."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import featherweight as fw
from commands import Run
from featherweight.errors import InterruptedRunError, UsageError
from featherweight.protocol import hand_ins as hand_ins_module
from featherweight.protocol.hand_ins import hand_ins


@pytest.fixture
def handed(run: Run, toy_file: Path, tmp_path: Path) -> Path:
    """A hand-in with one run."""
    assert run("train", toy_file, "--data", "digits", "--seed", 4, "--out", "ann/runs")[0] == 0
    shutil.move(toy_file, tmp_path / "ann" / "own.py")
    (tmp_path / "ann" / "own.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "bob").mkdir()
    return tmp_path / "ann"


def test_one_table_over_many_folders(run: Run, handed: Path) -> None:
    status, out, _ = run("ladder", "ann", "bob")
    record = fw.read_record(next((handed / "runs").iterdir()))
    assert status == 1 and "no run handed in" in out
    [line] = [line for line in out.splitlines() if line.split()[:2] == ["ann", "my"]]
    assert line.split()[3:6] == ["4", "500", f"{record.rows[0].test_accuracy:.2f}"] and line.split()[-1] == "yes"
    assert "fewer than 600 parameters" in out


def test_retraining_gives_what_was_handed_in_or_says_so(run: Run, handed: Path) -> None:
    status, out, _ = run("ladder", "ann", "--retrain")
    assert status == 0 and "the same in every epoch" in out and "executed" not in out
    [folder] = (handed / "runs").iterdir()
    values = json.loads((folder / "record.json").read_text())
    values["epochs"][-1]["test_accuracy"] += 1.0
    (folder / "record.json").write_text(json.dumps(values))
    status, out, _ = run("ladder", "ann", "--retrain")
    assert status == 1 and "has been changed since it was written" in out
    del values["digest"]  # as earlier versions wrote records: only training it again shows it
    (folder / "record.json").write_text(json.dumps(values))
    status, out, _ = run("ladder", "ann", "--retrain")
    told = f"at the last epoch, not {values['epochs'][-1]['test_accuracy']:.2f}"
    assert status == 1 and told in out
    values["epochs"][-1]["test_accuracy"] -= 1.0
    for change, why in (
        ({"data": values["data"] | {"source": str(handed / "gone")}}, "gone does not exist"),
        ({"custom": {"loss": {"name": "mine", "source": ""}}}, "it was trained with functions of its own (loss)"),
    ):
        (folder / "record.json").write_text(json.dumps(values | change))
        status, out, _ = run("ladder", "ann", "--retrain")
        # That it cannot be trained here says nothing against what was handed in.
        assert status == 1 and "trained again: not trained: " in out and why in out and "  yes" in out


def test_a_teacher_who_stops_a_retraining_stops_all_of_them(
    run: Run, handed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(handed, tmp_path / "eve")
    begun = []

    def stopped(run: Any) -> Iterator[None]:
        begun.append(run)
        raise InterruptedRunError(signal.SIGTERM, run.folder)
        yield

    monkeypatch.setattr(hand_ins_module, "train", stopped)
    status, _, err = run("ladder", "ann", "eve", "--retrain")
    assert (status, len(begun)) == (143, 1) and err.strip().endswith("Stopped.") and "--resume" not in err


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        list(hand_ins([tmp_path / "nobody"]))
