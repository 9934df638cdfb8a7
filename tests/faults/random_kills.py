"""`kill -9` at random instants of a training that saves after every step; resumed, each ends as if never killed."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.errors import UsageError

from .harness import FAST, LEFT, forked, go_on, outcome, told, train, warmed


def trial(kills: int, engine: str, seed: int = 0, place: str | None = FAST) -> dict[str, Any]:
    """So many killed runs on one engine: how many ended identical, and where the kills fell.

    `place` is where the runs' folders are; None is where temporary files go, on a disk that takes its time to flush.
    """
    draws = random.Random(seed)
    warmed()
    with TemporaryDirectory(prefix="killed-", dir=place) as name:
        root = Path(name)
        took = float("inf")
        for _ in range(3):  # the shortest: on a busy machine the others would outlast most runs
            started = time.perf_counter()
            digest = told(*forked(lambda: train(root / "whole", engine)))
            took = min(took, time.perf_counter() - started)
        whole = outcome(root / "whole" / "tiny-seed0")
        found: Counter[str] = Counter(kills=0, identical=0)
        while found["kills"] < kills:
            out = root / f"run{sum(found.values())}"
            if not _killed(lambda out=out: train(out, engine), draws.uniform(0, took)):  # type: ignore[misc]
                found["ended before the kill"] += 1
                continue
            found["kills"] += 1
            found.update(_where(out))
            found["identical"] += _taken_up(out, engine, digest, whole, draws, took, found)
    return {"engine": engine, "disk": "memory" if place else "flushed", **found}


def _killed(work: Any, after_s: float) -> bool:
    """Start `work` and kill it after so many seconds; whether it was still under way."""
    process, reading = forked(work)
    time.sleep(after_s)
    ended, _ = os.waitpid(process, os.WNOHANG)
    if not ended:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    os.close(reading)
    return not ended


def _where(out: Path) -> list[str]:
    """What a kill interrupted, as far as the folder shows it."""
    folder = out / "tiny-seed0"
    if not (folder / "record.json").exists():
        return ["before there was a run"]
    inside = any(folder.glob(".*.part")) or (
        (folder / "state.before.safetensors").exists() and not (folder / "state.safetensors").exists()
    )
    return ["inside saving"] if inside else []


def _taken_up(out: Path, engine: str, digest: str, whole: Any, draws: Any, took: float, found: Counter[str]) -> bool:
    """Whether the run, resumed until it is finished, has left what one never killed left, and nothing else."""
    folder = out / "tiny-seed0"
    if not (folder / "record.json").exists():
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        last = told(*forked(lambda: train(out, engine)))
    else:
        if found["kills"] % 3 == 0:  # one in three is killed again while it goes on
            found["killed twice"] += _killed(lambda: _or_finished(folder), draws.uniform(0, took))
        last = told(*forked(lambda: _or_finished(folder)))
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    alone = [path.name for path in out.iterdir()] == [folder.name]
    return bool(last in (digest, "finished") and files == LEFT and alone and outcome(folder) == whole)


def _or_finished(folder: Path) -> str:
    try:
        return go_on(folder)
    except UsageError as problem:
        if "is finished" not in str(problem):
            raise
        return "finished"
