"""The real command, killed at chosen calls of the system, stopped and sent on; taken up, it ends as if nothing were.

A library that is loaded before all others counts the command's calls of rename, fsync, write and unlink on files of its
run, and kills the process before one of them; every write is cut in halves meanwhile, so that half a file is left too.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.experiments.record import read_record

from .harness import LEFT, PACKAGES, TINY, outcome
from .preload import library

PATIENCE_S = 240.0


def trial(kills: int, engine: str) -> dict[str, Any]:
    """So many kills of `featherweight train` at calls spread over all that it makes; how many ended identical."""
    with TemporaryDirectory(prefix="commands-") as name:
        root = Path(name)
        killing = library("failing_calls", root)
        counted = root / "calls"
        _train(root / "whole", engine, killing, FW_COUNT=str(counted))
        whole = outcome(root / "whole" / "tiny-seed0")
        places = _places(counted.read_text().split(), kills)
        found: Counter[str] = Counter(kills=0, identical=0)
        for at, (kind, number) in enumerate(places):
            out = root / f"run{at}"
            status = _train(out, engine, killing, FW_KILL=f"{kind} {number}")
            found["kills"] += status == -signal.SIGKILL
            found[f"at {kind}"] += status == -signal.SIGKILL
            found["identical"] += status == -signal.SIGKILL and _taken_up(out, engine, whole)
            shutil.rmtree(out)
    return {"engine": engine, **found}


def _places(calls: list[str], count: int) -> list[tuple[str, int]]:
    """(kind, number) of calls, as many of each kind as of the others as far as there are, evenly spread."""
    kinds = {kind: calls.count(kind) for kind in sorted(set(calls))}
    chosen: list[tuple[str, int]] = []
    for at, (kind, total) in enumerate(sorted(kinds.items(), key=lambda one: one[1])):
        most = (count - len(chosen)) // (len(kinds) - at)
        take = min(total, most)
        chosen += [(kind, 1 + step * total // take) for step in range(take)]
    return chosen


SEVERAL_EPOCHS = 8
SEVERAL = ("--data", "digits", "--seeds", "2", "--epochs", str(SEVERAL_EPOCHS), "--batch", "4")
"""Two runs of some seconds, so that both are under way at once."""


def _words(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "featherweight", "train", *more, "--out", str(out)]


def _surroundings(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"} | more


def _train(out: Path, engine: str, killing: Path, **more: str) -> int:
    """The command's exit status; minus the signal's number where it was killed."""
    words = _words(out, str(TINY), "--data", "digits", "--engine", engine, "--threads", "1")
    surroundings = _surroundings(LD_PRELOAD=str(killing), FW_FOLDER=str(out), **more)
    return subprocess.run(words, env=surroundings, capture_output=True, check=False, timeout=PATIENCE_S).returncode


def _taken_up(out: Path, engine: str, whole: Any) -> bool:
    """Whether the run, taken up or begun anew where it had no record yet, has left what one never killed left."""
    folder = out / "tiny-seed0"
    if not (folder / "record.json").exists():
        shutil.rmtree(out)
        words = _words(out, str(TINY), "--data", "digits", "--engine", engine, "--threads", "1")
    else:
        words = [sys.executable, "-m", "featherweight", "train", "--resume", str(folder)]
    subprocess.run(words, env=_surroundings(), capture_output=True, check=False, timeout=PATIENCE_S)
    files = sorted(path.name for path in folder.iterdir())
    return files == LEFT and outcome(folder) == whole


def several(times: int) -> list[dict[str, Any]]:
    """`--seeds 2` with the parent or a child killed, and with all stopped for a while and sent on."""
    return [_parents(times), _children(times), _paused(times)]


def _begun(out: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """The command, and its workers once both have run folders."""
    words = _words(out, str(TINY), *SEVERAL)
    process = subprocess.Popen(words, env=_surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)  # fmt: skip
    workers: list[int] = []
    end = time.monotonic() + PATIENCE_S
    while len(list(out.glob("*/state.safetensors"))) < 2 and time.monotonic() < end and process.poll() is None:
        workers = max(workers, _workers(process.pid), key=len)  # they may leave before a busy machine looks again
        time.sleep(0.01)
    return process, workers


def _workers(parent: int) -> list[int]:
    """The processes that this one has started to train in."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            above = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            if above == parent and b"popen_loky" in stat.with_name("cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


def _alive(processes: list[int]) -> list[int]:
    states = [(one, Path(f"/proc/{one}/stat")) for one in processes]
    return [one for one, path in states if path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"]


def _ended(out: Path) -> bool:
    """Whether the same command, given again, ends with both seeds' records whole."""
    words = _words(out, str(TINY), *SEVERAL)
    subprocess.run(words, env=_surroundings(), capture_output=True, check=False, timeout=PATIENCE_S)
    records = [read_record(folder) for folder in sorted(out.iterdir())]
    return len(records) == 2 and all(record.finished and len(record.rows) == SEVERAL_EPOCHS for record in records)


def _parents(times: int) -> dict[str, Any]:
    found: Counter[str] = Counter(tried=0, left=0, ended=0)
    for _ in range(times):
        with TemporaryDirectory(prefix="parents-") as name:
            process, workers = _begun(Path(name))
            process.kill()
            process.wait()
            found["tried"] += 1
            end = time.monotonic() + 60
            while _alive(workers) and time.monotonic() < end:
                time.sleep(0.05)
            left = _alive(workers)
            found["left"] += not left
            for one in left:
                os.kill(one, signal.SIGKILL)
            found["ended"] += _ended(Path(name))
    return {"what": "--seeds 2, the parent killed", **found}


def _children(times: int) -> dict[str, Any]:
    found: Counter[str] = Counter(tried=0, left=0, ended=0)
    for _ in range(5 * times):
        with TemporaryDirectory(prefix="children-") as name:
            process, workers = _begun(Path(name))
            done = any(read_record(folder).finished for folder in Path(name).iterdir())
            for one in workers:  # the first of them may have been replaced while it started
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
                    break
            status = process.wait(PATIENCE_S)
            if done and not status:
                continue  # that worker had nothing more to do
            found["tried"] += 1
            found["left"] += status != 0
            found["ended"] += _ended(Path(name))
        if found["tried"] == times:
            break
    return {"what": "--seeds 2, a child killed", **found}


def _paused(times: int) -> dict[str, Any]:
    found: Counter[str] = Counter(tried=0, left=0, ended=0)
    for _ in range(times):
        with TemporaryDirectory(prefix="paused-") as name:
            process, _ = _begun(Path(name))
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(2)
            os.killpg(process.pid, signal.SIGCONT)
            found["tried"] += 1
            process.wait(PATIENCE_S)
            records = [read_record(folder) for folder in sorted(Path(name).iterdir())]
            found["left"] += 1
            found["ended"] += len(records) == 2 and all(record.finished for record in records)
    return {"what": "--seeds 2, all stopped for 2 s and sent on", **found}
