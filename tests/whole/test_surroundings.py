"""The program where little can be relied on: streams, terminals, homes, paths and what else is installed."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from braked import braked
from commands import Run
from featherweight.data import load, store
from featherweight.engine import processors
from featherweight.errors import UsageError
from featherweight.escape import printable
from featherweight.experiments.experiment import find
from featherweight.training.runs import run as runs
from featherweight.training.runs.folders import run_like
from featherweight.training.runs.signals import stop_signals, terminable


def words(*given: object) -> list[str]:
    return [sys.executable, "-m", "featherweight", *map(str, given)]


TRAIN = ("--data", "digits", "--engine", "torch", "--threads", 1)

# ------------------------------------------------------------------------------------------- streams


def test_a_reader_that_goes_away_ends_the_verb_with_the_status_of_sigpipe() -> None:
    for verb in ("list", "--help"):
        process = subprocess.Popen(words(verb), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (128 + signal.SIGPIPE, b""), verb


def test_a_training_whose_reader_goes_away_is_saved(toy_file: Path, tmp_path: Path) -> None:
    brake = tmp_path / "brake"
    brake.touch()
    longer = toy_file.read_text().replace("epochs=2,", "epochs=20, batch=16,")
    toy_file.write_text(braked(longer, brake, seconds=0.005))
    process = subprocess.Popen(
        words("train", toy_file, *TRAIN), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    while " 1/20 " not in process.stdout.readline():
        assert process.poll() is None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 141
    assert err == "Stopped; resume it with: featherweight train --resume runs/own-seed0\n"
    assert runs.resume(tmp_path / "runs" / "own-seed0").state.epoch >= 1


def test_a_full_device_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words("list"), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr == "Error: Standard output cannot be written (No space left on device); send it elsewhere.\n"


def test_streams_that_were_closed_from_the_start_are_done_without(toy_file: Path, tmp_path: Path) -> None:
    command = " ".join(f"'{word}'" for word in words("train", toy_file, "--epochs", 1, *TRAIN)) + " >&- 2>&-"
    assert subprocess.run(command, shell=True, cwd=tmp_path, check=False).returncode == 0
    assert (tmp_path / "runs" / "own-seed0" / "weights.safetensors").exists()


def test_names_cannot_write_on_the_terminal_and_lines_stay(run: Run) -> None:
    status, _, err = run("train", "no\x1b[2J\x07.py")
    assert status == 2 and "\x1b" not in err and r"no\x1b[2J\x07.py" in err
    assert printable("a\nb\x9b\u202e", lines=True) == "a\nb\\x9b\\u202e"


# ------------------------------------------------------------------------------------------- terminals


def test_every_sign_we_print_has_a_plain_one(tmp_path: Path) -> None:
    program = "from featherweight.cli import safe_output; safe_output.make_safe(); print('99 ± 1 × 2 – 数 \\udc80')"
    for encoding in ("ascii", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONIOENCODING": encoding}, stdout=subprocess.PIPE,
            check=True,
        )  # fmt: skip
        plain = "99 +- 1 x 2 - \\u6570 \\udc80\n" if encoding == "ascii" else "99 ± 1 × 2 – 数 \\udc80\n"
        assert done.stdout.decode(encoding) == plain


def test_an_ascii_terminal_and_a_path_of_any_script(toy_file: Path, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    out = tmp_path / "läufe 数字"
    done = subprocess.run(
        words("train", toy_file, "--epochs", 1, "--out", out, *TRAIN), env=os.environ | plain, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == b""
    assert rb"l\udcc3\udca4ufe \udce6" in done.stdout  # bytes that ASCII has no letters for
    assert (out / "own-seed0" / "weights.safetensors").exists()


@pytest.mark.parametrize("columns", ["40", "20"])
def test_a_narrow_terminal_costs_no_figure(
    columns: str, run: Run, toy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run("list")
    assert status == 0 and "measured budget rule what changed" in out and "394,890     20   99.41" in out
    status, out, _ = run("train", toy_file, "--epochs", 1, *TRAIN)
    assert status == 0 and "fewer than 600       500    yes" in out and "accuracy, epoch 1  at least 50.00 %" in out
    status, out, _ = run("train", toy_file, "--epochs", 1, "--seeds", 1, *TRAIN)
    assert status == 0 and "seed  last %  worst of last 1 %  best %  passed  seconds" in out


# ------------------------------------------------------------------------------------ homes and what is installed


def _broken_torchvision(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "other" / "torchvision").mkdir(parents=True)
    broken = tmp_path / "other" / "torchvision" / "__init__.py"
    broken.write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "other"), os.environ.get("PYTHONPATH", "")])}


def _no_home_and_no_display(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("")  # nobody, root included, can write below it
    homes = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": "", "FEATHERWEIGHT_DATA": "", "MPLCONFIGDIR": ""}
    return homes | {"MPLBACKEND": "TkAgg", "DISPLAY": ""}


def test_training_and_drawing_need_nothing_from_around(toy_file: Path, tmp_path: Path) -> None:
    around = _broken_torchvision(tmp_path) | _no_home_and_no_display(tmp_path)
    program = (
        "import sys; from pathlib import Path; from featherweight import cli, read_record\n"
        "from featherweight.report import figures\n"
        f"sys.argv = ['featherweight', *{[str(word) for word in ('train', toy_file, '--epochs', 1, *TRAIN)]!r}]\n"
        "try: cli.main()\nexcept SystemExit as end: assert end.code == 0, end.code\n"
        "print('<svg' in figures.svg(figures.accuracy(read_record(Path('runs/own-seed0')))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | around, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True" and "Traceback" not in done.stderr


def test_a_tilde_without_a_home_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setenv("FEATHERWEIGHT_DATA", "~/data")
    monkeypatch.chdir(tmp_path)
    assert store.expanded("~/data") == Path("~/data") and list(store.places(tmp_path)) == [tmp_path]
    with pytest.raises(UsageError, match="~/data does not exist"):
        load("~/data")


def test_a_clock_that_is_set_back_leaves_seconds_as_they_are(
    toy_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    run = runs.new_run(find(str(toy_file)), load("digits"), out=tmp_path, engine="torch")
    for _ in runs.train(run):
        pass
    assert run.record.train_seconds > 0 and all(0 < row.seconds < 600 for row in run.record.rows)


# ------------------------------------------------------------------------------------------- being asked to stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_is_still_loading(number: int, toy_file: Path, tmp_path: Path) -> None:
    # Short naps: a signal between Python's last look and a single long one would be answered only when that is over.
    toy_file.write_text("import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.01)\n")
    process = subprocess.Popen(
        words("train", toy_file), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's job in the background ignores it
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (128 + number, "Stopped.\n")


def test_signals_are_noted_or_interrupt_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminable() as received:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        with stop_signals() as noted:
            os.kill(os.getpid(), signal.SIGTERM)
            assert noted == [15]
    assert received == [15] and signal.getsignal(signal.SIGTERM) is before


def test_several_seeds_are_saved_when_stopped_and_go_on_with_what_is_missing(
    run: Run, toy_file: Path, tmp_path: Path
) -> None:
    brake = tmp_path / "brake"
    brake.touch()
    toy_file.write_text(braked(toy_file.read_text().replace("epochs=2,", "epochs=4, batch=32,"), brake, seconds=0.02))
    several = ("train", toy_file, "--seeds", 2, *TRAIN, "--json")
    process = subprocess.Popen(words(*several), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    awaited = {"own 0 ", "own 1 "} if processors() > 1 else {"own 0 "}
    while awaited:
        line = process.stderr.readline()
        assert line and process.poll() is None
        awaited -= {begun for begun in awaited if begun in line}
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=600)
    brake.unlink()
    assert process.returncode == 130
    lost = json.loads(out)["failed"]
    assert len(lost) == 2 and all("resume it with" in one["error"] or one["error"] == "Not started." for one in lost)

    status, out, _ = run(*several)
    assert status == 0 and [one["seed"] for one in json.loads(out)["runs"]] == [0, 1]
    status, again, err = run(*several)
    assert status == 0 and json.loads(again)["runs"] == json.loads(out)["runs"]
    assert "seed 1 is finished in runs/own-seed1; its record is used" in err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["own-seed0", "own-seed1"]
    whole = runs.new_run(find(str(toy_file)), load("digits"), seed=1, out=tmp_path / "whole", engine="torch", threads=1)
    for _ in runs.train(whole):
        pass
    weights = [tmp_path / name / "own-seed1" / "weights.safetensors" for name in ("runs", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_runs_of_another_recipe_or_data_set_are_not_gone_on_with(toy_file: Path, tmp_path: Path) -> None:
    one = runs.new_run(find(str(toy_file)), load("digits"), out=tmp_path, engine="torch", threads=1)
    assert run_like(one.record, tmp_path, 0, finished=False) == (one.folder, one.record)
    assert run_like(one.record, tmp_path, 0, finished=True) is None
    assert run_like(one.record, tmp_path, 1, finished=False) is None
    changes = {"recipe": one.record.recipe | {"lr": 0.2}, "network": "x", "data": one.record.data | {"holdout": 7}}
    for name, value in (changes | {"engine": "native"}).items():
        assert run_like(replace(one.record, **{name: value}), tmp_path, 0, finished=False) is None, name


class Interrupted:
    """Whoever destroys it is interrupted meanwhile."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        time.sleep(0)


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 2), (signal.SIGINT, 0)])
def test_an_interrupt_in_a_destructor_is_not_lost(number: int, times: int, capfd: pytest.CaptureFixture[str]) -> None:
    hook = sys.unraisablehook
    with terminable() as received:
        with pytest.raises(KeyboardInterrupt):
            Interrupted(number)
            time.sleep(20)
        assert received == [signal.SIGTERM] * times
    assert sys.unraisablehook is hook and capfd.readouterr().err == ""
