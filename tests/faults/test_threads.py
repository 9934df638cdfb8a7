"""Threads that the system refuses, and more threads than there are processors: a sentence, never a hang."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import featherweight as fw
from commands import Run
from faults.preload import COMPILER, library
from featherweight.engine import build_engine, native, peak, processors
from featherweight.errors import UsageError
from featherweight.experiments.record import write_record
from featherweight.search.driver import run_search
from featherweight.training.runs import run as runs

native_only = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")
compiled = pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="no library can be preloaded")
SHORT = ("--data", "digits", "--epochs", "1", "--target", "1", "--held", "1")
PATIENCE_S = 300


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that refuses threads."""
    return library("fail_threads", tmp_path_factory.mktemp("preload"))


def under(preloaded: Path, *words: object, threads: int, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """A command of Python's to which the system gives so many threads; a hang is an error."""
    surroundings = os.environ | {"LD_PRELOAD": str(preloaded), "FW_THREADS": str(threads), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, words)], env=surroundings, cwd=cwd, capture_output=True, text=True, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip


PLAN = """
import ctypes, os
import torch
from torch import nn
import featherweight as fw
from featherweight import engine as measure
from featherweight.engine import native
from featherweight.engine.program import lower_for_training
from featherweight.errors import FeatherweightError

refusing = ctypes.CDLL(None)
network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))

def running():
    return len(os.listdir("/proc/self/task"))

def plan(threads):
    return native.Plan(lower_for_training(network, (1, 3, 4)), fw.Recipe(), batch=5, threads=threads)

before = running()
for allowed in (0, 1, 3):
    refusing.allow_threads(allowed)
    try:
        plan(5)
        print("no error")
    except FeatherweightError as problem:
        print(type(problem).__name__, problem.exit_status, running() - before, problem)
refusing.allow_threads(3)
print("peak", native.library().featherweight_peak(5, 0.01))
refusing.allow_threads(-1)
kept = plan(5)
print("started", running() - before)
"""


@native_only
@compiled
def test_threads_that_were_started_are_joined_when_the_next_is_refused(refusing: Path, tmp_path: Path) -> None:
    ended = under(refusing, "-c", PLAN, threads=-1, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    *refused, rate, started = ended.stdout.splitlines()
    assert len(refused) == 3
    for number, line in zip((1, 2, 4), refused, strict=True):
        assert line.startswith("FeatherweightError 1 0 ") and f"started {number} of 5 threads" in line, line
        assert "batch" not in line
    assert rate == "peak -1.0" and started == "started 4"


@native_only
@compiled
@pytest.mark.skipif(processors() < 2, reason="one thread is all that is started on one processor")
@pytest.mark.parametrize(
    "words",
    [
        ("train", "f3", *SHORT),
        ("evaluate", "f3", "--data", "digits"),
        ("bench", "smallest", "--engine", "native", "--threads", "2", "--seconds", "1"),
    ],
)
def test_a_command_whose_thread_is_refused_ends_with_a_sentence(
    words: tuple[str, ...], refusing: Path, tmp_path: Path
) -> None:
    ended = under(refusing, "-m", "featherweight", *words, threads=0, cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert re.search(r"^Error: The native engine cannot start: .* 1 of \d+ threads", ended.stderr, re.MULTILINE)


@native_only
@compiled
@pytest.mark.skipif(processors() < 2, reason="one thread is all that is started on one processor")
def test_a_run_whose_thread_was_refused_can_be_resumed(refusing: Path, tmp_path: Path) -> None:
    assert under(refusing, "-m", "featherweight", "train", "f3", *SHORT, threads=0, cwd=tmp_path).returncode == 1
    words = ("train", "--resume", "runs/f3-seed0", "--json")
    ended = under(refusing, "-m", "featherweight", *words, threads=-1, cwd=tmp_path)
    assert ended.returncode == 0 and json.loads(ended.stdout)["verdict"]["passed"], ended.stderr


# ------------------------------------------------------------------------------------------- more than processors


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("engine", "training.runs.run"):
        monkeypatch.setattr(f"featherweight.{module}.processors", lambda: 2)


@pytest.mark.parametrize("words", [("train",), ("train", "--seeds", 2), ("train", "--engine", "torch"), ("bench",)])
def test_more_threads_than_processors_are_refused(
    words: tuple[object, ...], run: Run, two_processors: None, tmp_path: Path
) -> None:
    for threads in (3, 1_000_000_000):
        status, out, err = run(*words, "--threads", threads)
        assert status == 2 and not out, err
        assert "2 processors" in err and f"given {threads}" in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("threads", [0, -1, 3, 10**9, 1.5, True])
def test_every_door_of_python_refuses_threads_that_cannot_be(
    threads: Any, two_processors: None, tmp_path: Path
) -> None:
    network, shape = fw.find("f3").build(), (1, 28, 28)
    digits = fw.load_data("digits")
    doors = (
        lambda: fw.train("f3", "digits", threads=threads, out=tmp_path),
        lambda: fw.new_run(fw.find("f3"), digits, threads=threads, out=tmp_path),
        lambda: build_engine("torch", network, fw.Recipe(), shape=shape, device=torch.device("cpu"), threads=threads),
        lambda: build_engine("auto", network, fw.Recipe(), shape=shape, device=torch.device("cpu"), threads=threads),
        lambda: peak(threads, 0.01),
    )
    for door in doors:
        with pytest.raises(UsageError, match="2 processors"):
            door()
    assert list(tmp_path.iterdir()) == []


@native_only
def test_the_kernels_themselves_refuse_absurd_numbers() -> None:
    from torch import nn

    from featherweight.engine.program import lower_for_training
    from featherweight.errors import FeatherweightError

    program = lower_for_training(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), (1, 3, 4))
    for threads in (-1, 0, 4097, 10**9):
        with pytest.raises(FeatherweightError, match="1 to 4096 threads"):
            native.Plan(program, fw.Recipe(), batch=5, threads=threads)
        assert native.library().featherweight_peak(threads, 0.01) < 0


def test_a_search_with_more_workers_than_processors_is_refused(two_processors: None, monkeypatch: Any) -> None:
    from types import SimpleNamespace

    search: Any = SimpleNamespace(job=SimpleNamespace(device="cpu"), study=None)
    with pytest.raises(UsageError, match="2 processors.*given 3"):
        next(run_search(search, workers=3))


# ------------------------------------------------------------------------------------------- runs of larger machines


def stopped(out: Path, engine: str, threads: int) -> Path:
    """The folder of a run that was stopped after three steps, as if it had so many threads."""
    run = runs.new_run(fw.find("f2"), fw.load_data("digits"), out=out, engine=engine, threads=1)
    run.record = replace(run.record, environment=run.record.environment | {"threads": threads})
    write_record(run.record, run.folder / "record.json")
    for number, _ in enumerate(runs.train(run)):
        if number == 2:
            break
    return run.folder


@native_only
def test_a_native_run_of_a_larger_machine_goes_on_with_fewer_threads(two_processors: None, tmp_path: Path) -> None:
    run = runs.resume(stopped(tmp_path, "native", 64))
    assert run.record.environment["threads"] == 2 and run.state.step == 3
    assert any("64 threads" in line and "2 processors" in line for line in run.introduction())


def test_a_run_of_pytorch_keeps_its_threads_up_to_a_bound(two_processors: None, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        run = runs.resume(stopped(tmp_path, "torch", 3))
        assert run.record.environment["threads"] == torch.get_num_threads() == 3 and run.state.step == 3
        assert any("take turns" in line for line in run.introduction())
        with pytest.raises(UsageError, match="33 threads.*2 processors"):
            runs.resume(stopped(tmp_path, "torch", 33))
        assert torch.get_num_threads() <= 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(shutil.which("taskset") is None, reason="there is no taskset")
def test_the_number_of_processors_is_that_of_this_process() -> None:
    words = [sys.executable, "-c", "from featherweight.engine import processors; print(processors())"]
    one = min(os.sched_getaffinity(0))
    ended = subprocess.run(["taskset", "-c", str(one), *words], capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n" and processors() == len(os.sched_getaffinity(0))
