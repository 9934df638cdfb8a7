"""Scripts that spread work over processes need no guard, wherever Python has them from; and who is killed is missed."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import works
from featherweight.errors import FeatherweightError
from featherweight.parallel import local
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import open_pool, run_works

FIT = """
import sys
import featherweight as fw

def news(one):
    if getattr(one, "ended", None):
        sys.exit(f"candidate {one.ended.number} failed: {one.ended.failed}" if one.ended.failed else 0)

fw.fit("digits", minutes=5, out="found", on_news=news)
"""
OWN = """
import os
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import open_pool, run_works

def own(number, *, stopped):
    yield number * scale()

def scale():
    return 10

with open_pool(THIS_MACHINE, 2) as pool:
    print(sorted(value for _, value in run_works(pool, [(own, 1), (own, 2)])), os.getpid())
"""
HELD = """
import os, time
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import open_pool, run_works

def slow(*, stopped):
    yield os.getpid()
    while True:
        time.sleep(0.02)
        yield None

with open_pool(THIS_MACHINE, 2) as pool:
    for number, value in run_works(pool, [(slow,), (slow,)]):
        if value:
            print(value, flush=True)
"""


def python(folder: Path, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *words], input=given, capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize("way", ["file", "stdin", "-c"])
def test_a_script_needs_no_guard(tmp_path: Path, way: str) -> None:
    """The main module is executed once, and what it defines goes along to the workers."""
    (tmp_path / "mine.py").write_text(OWN)
    words = {"file": ("mine.py",), "stdin": ("-",), "-c": ("-c", OWN)}[way]
    done = python(tmp_path, *words, given=OWN if way == "stdin" else "")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("[10, 20] ") and done.stdout.count("\n") == 1


def test_a_fit_in_a_script_without_a_guard_trains_candidates(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FIT)
    done = python(tmp_path, "mine.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def alive(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_who_started_it(tmp_path: Path, number: int) -> None:
    parent = subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              cwd=tmp_path)  # fmt: skip
    assert parent.stdout is not None
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(alive, workers))
    for _ in range(3):  # Python drops an interrupt that arrives in a destructor; whoever typed it types it again
        parent.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            parent.communicate(timeout=60)
            break
    until = time.monotonic() + 60
    while any(map(alive, workers)):
        assert time.monotonic() < until, "a worker is still there"
        time.sleep(0.02)


def test_one_work_is_stopped_and_its_process_takes_the_next() -> None:
    with open_pool(THIS_MACHINE, 1) as pool:
        pool.scale(1)
        pool.submit(7, works.endless)
        found: list[object] = []
        while not found:
            found += pool.poll(0.2)
        pool.stop(6)  # another's
        pool.stop(7)
        until = time.monotonic() + 120
        while not hasattr(found[-1], "sentence"):
            assert time.monotonic() < until, "the work goes on"
            found += pool.poll(0.2)
        assert found[-1] == local.Finished(number=7)
        assert {value for _, value in run_works(pool, [(works.process,)] * 2)} == {found[0].value}  # type: ignore[attr-defined]


@pytest.mark.parametrize("starved", [False, True])
def test_memory_is_blamed_where_the_system_ran_out_of_it(monkeypatch: pytest.MonkeyPatch, starved: bool) -> None:
    counts = iter([3] + 99 * [3 + starved])
    monkeypatch.setattr(local, "_starved", lambda: next(counts))
    with open_pool(THIS_MACHINE, 1) as pool, pytest.raises(FeatherweightError, match="status -9") as problem:
        list(run_works(pool, [(works.killed,)]))
    assert ("memory" in str(problem.value)) == starved and problem.value.exit_status == 137
