"""A short form of the trials of hand-made inputs, and each case that was once seen to do harm, by its sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from commands import Run
from faults import crafted_inputs, decompression_bombs, input_fuzz, killed_commands
from faults.harness import ROOT, TINY
from featherweight import io, json_files
from featherweight.data import download, folder, pictures
from featherweight.data.containers import MOST_SCANS, essential
from featherweight.engine import processors
from featherweight.errors import FileError, UsageError
from featherweight.experiments.record import Record, read_record
from featherweight.export.lowering import lower
from featherweight.reading.picture_files import read_picture
from featherweight.search import storage
from featherweight.training.runs.folders import new_folder
from featherweight.training.runs.restore import network_of


def committed(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((ROOT / "results" / "f3" / "seed0.json").read_text())
    return values | changes


# ------------------------------------------------------------------------------------------- pictures


BOMBS = ("png: five million chunks", "gif: tiny extensions of 30 MB", "tiff: a tag of 55 MB",
         "jpeg: 30 MB of fill bytes", "tiff: five million strips", "jpeg: Exif again and again")  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stays_within_the_bounds(name: str, tmp_path: Path) -> None:
    def attack(place: Path) -> None:
        (place / "picture.png").write_bytes(decompression_bombs.BOMBS[name]())
        input_fuzz.read_picture(place / "picture.png")

    seen = crafted_inputs.watched(attack, tmp_path)
    assert seen["end"] in ("read", "refused") and seen["mb"] < 400 and seen["seconds"] < 5, seen


def as_trained_on(path: Path) -> NDArray[np.uint8]:
    """A picture of a folder as it is kept for training."""
    _, ((pixels,),), _ = folder._decoded_pictures(folder._Pictures(paths=[path], labels=[0]), path.parent, [None])
    return pixels


def test_training_and_predict_see_the_same_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clear = np.zeros((13, 11, 4), dtype=np.uint8)
    clear[3:9, 4:6, 3] = 255
    light = clear | np.array([255, 255, 255, 0], dtype=np.uint8)
    made = {
        "clear": Image.fromarray(clear), "light": Image.fromarray(light),
        "deep": Image.fromarray(rng.integers(0, 65536, (13, 11), dtype=np.uint16)),
        "colours": Image.fromarray(rng.integers(0, 256, (13, 11, 3), dtype=np.uint8)),
        "palette": Image.fromarray(rng.integers(0, 256, (13, 11, 3), dtype=np.uint8)).quantize(7),
    }  # fmt: skip
    for name, image in made.items():
        image.save(tmp_path / f"{name}.png")
        trained = as_trained_on(tmp_path / f"{name}.png")
        whole = trained if trained.ndim == 3 else np.repeat(trained[..., None], 3, 2)
        assert (whole == read_picture(str(tmp_path / f"{name}.png")).pixels).all(), name
    assert as_trained_on(tmp_path / "clear.png").min() == 0  # ink on paper, and not a blank sheet
    deep = np.asarray(Image.open(tmp_path / "deep.png")).astype(np.float64)
    expected = np.floor(np.float32(deep) / np.float32(65535) * 255 + 0.5)
    assert (as_trained_on(tmp_path / "deep.png") == expected).all()


def test_what_is_not_pixels_is_taken_out_and_pixels_stay(tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (17, 23, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ("png", "jpg", "webp", "tif", "gif", "bmp"):
        path = tmp_path / f"p.{suffix}"
        given = {} if suffix in ("gif", "bmp") else {"exif": exif}
        image.save(path, **given)  # type: ignore[arg-type]
        with Image.open(path) as opened:
            plain = np.asarray(opened.convert("RGB"))
        found = pictures.read(path)
        turned = suffix not in ("gif", "bmp")
        if suffix == "tif":  # which Pillow turns by itself
            assert (found.pixels == plain).all()
        else:
            assert (found.pixels == (np.rot90(plain, -1) if turned else plain)).all(), suffix
        assert found.size == ((17, 23) if turned else (23, 17)) and len(essential(path.read_bytes()).content) > 50
    assert MOST_SCANS == 64


# ------------------------------------------------------------------------------------------- records, states


def wrong_records() -> list[tuple[tuple[Any, ...], Any, str]]:
    return [
        (("data", "shape"), [1, 10**6, 10**6], "data.shape[1] must be a whole number from 1 to 1,024; given 1000000"),
        (("data", "shape"), [0, 28, 28], "data.shape[0] must be a whole number from 1 to 256; given 0"),
        (("data", "shape"), [5_000_000, 28, 28], "data.shape[0] must be a whole number from 1 to 256; given 5000000"),
        (("data", "std"), ["x"], "data.std[0] must be a number"),
        (("data", "std"), [0.0], "data.std[0] must be a number from 1e-06 to 1; given 0.0"),
        (("data", "classes"), [1, 2], "data.classes[0] must be text"),
        (("data", "classes"), 1e308, "data.classes must be a list"),
        (("data", "classes"), -1, "data.classes must be a list"),
        (("data", "classes"), float("nan"), "NaN is not a number"),
        (("data", "classes"), ["\ud800"], "surrogates not allowed"),
        (("budget", "held"), 2.5, "Budget.held must be a whole number"),
        (("recipe", "batch"), 10**400, "is too large a number"),
        (("seed",), True, "record.seed must be a whole number"),
        (("engine",), "*/ evil", "record.engine must be text, one word"),
        (("epochs", 0, "test_accuracy"), 100.5, "test_accuracy must be a number from 0 to 100"),
        (("environment", "more"), [[]], "environment.more must be"),
    ]


@pytest.mark.parametrize(("path", "value", "says"), wrong_records())
def test_a_field_that_no_run_writes_is_refused(path: tuple[Any, ...], value: Any, says: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps(input_fuzz._changed(path, value)))
    with pytest.raises(FileError) as caught:
        read_record(tmp_path)
    assert says in str(caught.value)


def test_json_from_outside_has_limits() -> None:
    for text, says in {"[" * 17 + "]" * 17: "deep", "[" * 9000: "lists", "1e999": "too large", '{"a":1,"a":2}': "twice",
                       f'"{"a" * 20_000}"': "20,000 characters", "[Infinity]": "not a number"}.items():  # fmt: skip
        with pytest.raises(ValueError, match=says):
            json_files.parse_json(text)
    assert json_files.parse_json("[" * 16 + "]" * 16) and json_files.parse_json(str(1 << 62)) == 1 << 62


@pytest.mark.parametrize("value", [1e308, 10**400, float("inf"), [], "x", None])
def test_the_state_before_is_used_whatever_the_last_one_says(value: Any, tmp_path: Path) -> None:
    counts = {"epoch": 1, "step": 0, "seen": 0, "lr": value, "epoch_seconds": 0.0, "train_seconds": 1.0}
    input_fuzz._load_state(tmp_path, json.dumps({"identity": {}, "counts": counts | {"epoch": value}, "rows": []}))


def test_a_pipe_in_place_of_a_state_stops_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "state.safetensors")
    input_fuzz.save_state(input_fuzz._fresh(), {}, tmp_path / "state.safetensors")
    assert input_fuzz.load_state(input_fuzz._fresh(), {}, tmp_path / "state.safetensors") == ""


# ------------------------------------------------------------------------------------------- foreign code


def test_a_record_s_python_file_is_executed_only_where_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{TINY.read_text()}")
    foreign = replace(Record.from_json(committed(experiment=str(path)), "here"), architecture={"foreign": "own.Layer"})
    with pytest.raises(UsageError, match="Name the experiment's file with --experiment FILE"):
        network_of(foreign)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(UsageError, match="no longer the one that was trained"):
        network_of(foreign, path)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("words", ["report run", "predict p.png --run run", "export run --to c", "train --resume run"])
def test_no_verb_executes_it_by_itself(words: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, str]] = []

    def in_this_process(_: Path, *given: str) -> None:
        status, _, err = run(*given)  # an exception that is no sentence ends the test
        calls.append((status, err))

    monkeypatch.setattr(input_fuzz, "_command", in_this_process)
    dict(input_fuzz.foreign_runs())[words](tmp_path)
    [(status, said)] = calls
    assert status == 0 or "--experiment" in said or "is finished" in said
    assert not (tmp_path / "executed").exists()


def test_workers_take_no_module_from_the_current_folder(tmp_path: Path) -> None:
    attack = next(attack for name, attack in input_fuzz.current_folder() if "--seeds" in name)
    attack(tmp_path)
    assert not (tmp_path / "executed").exists()
    assert len(list((tmp_path / "runs").glob("*/weights.safetensors"))) == 2


# ------------------------------------------------------------------------------------------- hangs and the network


@pytest.mark.skipif(processors() < 2, reason="one processor has one worker at a time")
def test_workers_leave_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    process, workers = killed_commands._begun(tmp_path)
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 600
    while killed_commands._alive(workers) and time.monotonic() < end:
        time.sleep(0.05)
    left = killed_commands._alive(workers)
    for one in left:
        os.kill(one, signal.SIGKILL)
    assert left == []


def fetched(pieces: list[bytes | float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset())  # all three are set below, and have to be what they were
    monkeypatch.setattr(download, "SILENCE_S", download.SILENCE_S)
    monkeypatch.setattr(download, "PACE_S", download.PACE_S)
    with pytest.raises(download.UnavailableError) as caught:
        input_fuzz._fetched(tmp_path, pieces, silence_s=60.0)
    return str(caught.value)


def test_a_mirror_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    drops: list[bytes | float] = [piece for _ in range(400) for piece in (b"\x1f\x8b", 0.05)]
    assert "bytes a second, fewer than" in fetched([head, *drops], tmp_path, monkeypatch)


def test_a_length_of_5000_digits_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
    assert "could not be downloaded" in fetched([head, input_fuzz.GOOD], tmp_path, monkeypatch)


def test_a_first_fragment_of_one_byte_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    reason = fetched([head, b"\x1f", 0.3, b"\x8b" + bytes(99)], tmp_path, monkeypatch)
    assert "is not the file it should be" in reason and "something else" not in reason  # judged by both of its bytes


# ------------------------------------------------------------------------------------------- C, searches, files


@pytest.mark.parametrize("name", [name for name, _ in input_fuzz.networks() if "zero" not in name])
def test_what_c_cannot_hold_is_refused_by_layer(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Layer|The layer"):
        dict(input_fuzz.networks())[name](tmp_path)


def test_a_negative_variance_is_a_sentence() -> None:
    norm = nn.BatchNorm2d(2)
    assert norm.running_var is not None
    norm.running_var.copy_(torch.tensor([1.0, -0.5]))
    with pytest.raises(UsageError, match=r"Layer 1 \(BatchNorm2d\) has a variance that is negative or no number"):
        lower(nn.Sequential(nn.Conv2d(1, 2, 3), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval(), (1, 5, 5))


def test_a_storage_is_shown_without_passwords() -> None:
    url = "postgresql://me:sec%40ret@host/db?password=hidden&sslmode=require"
    assert storage.redacted(url) == "postgresql://me:***@host/db?***"
    with pytest.raises(UsageError) as caught, storage.reachable(url):
        raise ValueError(f"no {url}: sec@ret hidden")
    assert not [secret for secret in ("sec@ret", "sec%40ret", "hidden") if secret in str(caught.value)]


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(UsageError, match="install it with: pip install psycopg2-binary"):
        storage.storage_of("postgresql://me:secret@host/db")


def test_a_data_base_that_goes_away_in_the_middle_is_one_sentence(tmp_path: Path) -> None:
    from sqlalchemy.exc import OperationalError

    gone = pytest.raises(UsageError, match=r"(?s)cannot be reached any more .*the same command continues")
    with gone, storage.under_way("sqlite:///study.db"):
        raise OperationalError("select", {}, Exception("server closed the connection"))
    with pytest.raises(ZeroDivisionError), storage.under_way("sqlite:///study.db"):
        raise ZeroDivisionError  # a defect is told as one


def test_an_error_in_the_clean_up_of_a_write_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(FileError, match=r"could not be written \(Read-only file system\)"):
        io.write_text(tmp_path / "a", "b")
    io.remove_parts(tmp_path)
    from featherweight.training.runs.checkpoint import remove_states

    remove_states(tmp_path / "state.safetensors")


def test_parents_of_a_run_folder_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    for module in ("featherweight.io", "featherweight.training.runs.folders"):
        monkeypatch.setattr(f"{module}.flush_names", flushed.append)
    with new_folder(tmp_path / "a" / "b", "run") as folder:
        assert folder.is_dir()
    assert flushed == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="No run folder can be created"), new_folder(tmp_path / "file" / "b", "run"):
        pass


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_real_command_killed_in_the_middle_of_a_rename_ends_as_if_never_killed() -> None:
    row = killed_commands.trial(1, "native")
    assert row["kills"] == row["identical"] == 1
    assert subprocess.run([sys.executable, "--version"], check=False).returncode == 0
