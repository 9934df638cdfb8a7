"""A search limited by candidates: the same one whatever the machine does, killed or not."""

import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import featherweight as fw
from brief_search import asked, short
from featherweight.errors import FileError, UsageError
from featherweight.parallel.messages import Finished, Message
from featherweight.search.fit import pipeline, planning, search_loop, state
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.notes import read_result
from featherweight.search.fit.resized import resized_data
from featherweight.search.fit.trial import Aim, TrialTask, TrialUpdate

SCRIPT = """
import sys
from pathlib import Path
from brief_search import asked, short
from featherweight.search.fit import pipeline
if __name__ == "__main__":
    short()
    for news in pipeline.run_fit(asked(Path(sys.argv[1]))):
        pass
"""

SIXTY = Aim(target=60.0)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (state, planning):
        for name in ("FEWEST_EPOCHS", "MOST_EPOCHS", "LEAST_EPOCHS"):
            monkeypatch.setattr(owner, name, getattr(owner, name, 0), raising=False)
    short()


def outcome(out: Path) -> tuple[Any, ...]:
    """What a search has come to, whatever the time that it took."""
    values = read_result(out)
    files = [load_file(out / run["folder"] / "weights.safetensors") for run in values["runs"]]
    weights = [{name: (value.dtype, value.numpy().tobytes()) for name, value in one.items()} for one in files]
    lines = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    known = sorted(json.dumps([line[name] for name in line if name not in ("seconds", "at")]) for line in lines)
    code = {file.name: file.read_bytes() for file in (out / "export").rglob("*.c")}
    assert len(code) >= 2
    return values["chosen"], values["front"], values["c"], weights, known, code, values["asked"]


@pytest.mark.usefixtures("brief")
def test_a_search_that_is_killed_ends_as_one_that_is_not(tmp_path: Path):
    for _ in pipeline.run_fit(asked(tmp_path / "whole", cores=1)):
        pass
    whole = outcome(tmp_path / "whole")
    assert whole[-1]["trials"] == 6 and len(whole[3]) == 2 and len(whole[4]) >= 8
    # Stopped after each of several events of the search, with another number of processes.
    for count in (3, 9, 25):
        events = pipeline.run_fit(asked(tmp_path / "stopped", cores=2))
        for _ in range(count):
            if next(events, None) is None:
                break
        events.close()
    # Killed.
    script = tmp_path / "go.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "stopped"], env=os.environ | {"PYTHONPATH": path}, start_new_session=True
    )
    notes = tmp_path / "stopped" / "trials.jsonl"
    size = notes.stat().st_size if notes.exists() else 0
    for _ in range(600):
        if process.poll() is not None or (notes.exists() and notes.stat().st_size > size):
            break
        time.sleep(0.1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for _ in pipeline.run_fit(asked(tmp_path / "stopped", cores=2)):
        pass
    assert outcome(tmp_path / "stopped") == whole
    said = list(pipeline.run_fit(asked(tmp_path / "stopped")))
    assert "is finished" in said[-2].text and isinstance(said[-1], pipeline.Outcome)
    assert not any("Not checked" in one.text for one in said[:-1])
    file = tmp_path / "stopped" / "fit.json"
    values = json.loads(file.read_text())
    values["runs"][0]["test_accuracy"] = 99.0
    file.write_text(json.dumps(values))
    with pytest.raises(FileError, match="digest"):
        list(pipeline.run_fit(asked(tmp_path / "stopped")))
    del values["digest"]  # as earlier versions wrote it
    file.write_text(json.dumps(values))
    with pytest.raises(FileError, match=r"99\.00 %, and its record says"):
        list(pipeline.run_fit(asked(tmp_path / "stopped")))
    shutil.rmtree(tmp_path / "stopped" / "runs")
    assert any("Not checked: runs/" in one.text for one in [*pipeline.run_fit(asked(tmp_path / "stopped"))][:-1])


class Pretended:
    """A pool whose trainings take any time and end in any order."""

    def __init__(self, count: int, seed: int, judged: Callable[[TrialTask], int]) -> None:
        self.count, self.busy, self.judged, self.notes = count, {}, judged, []
        self.draws = np.random.default_rng(seed)

    def scale(self, works: int) -> None: ...

    def free(self) -> int:
        return self.count - len(self.busy)

    def submit(self, number: int, work: Any, *given: Any) -> None:
        self.busy[number] = given[0]

    def poll(self, seconds: float) -> list[Any]:
        number = list(self.busy)[int(self.draws.integers(len(self.busy)))] if self.busy else 0
        if not number:
            return []
        work, judged = self.busy.pop(number), 0
        judged = self.judged(work)
        right = zlib.crc32(repr(work.key).encode()) % (judged + 1)
        update = TrialUpdate(work=work, done=1, seconds=float(self.draws.uniform(0, 99)), correct=right, judged=judged,
                             loss=1.0)  # fmt: skip
        return [Message(number=number, value=update), Finished(number=number)]

    def stop(self, number: int | None = None) -> None: ...

    def close(self) -> None: ...


def searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, cores: int, seconds: float,
    aim: Aim = SIXTY, **given: Any,
) -> search_loop.FitState:  # fmt: skip
    """A search in which nothing is trained."""
    monkeypatch.setattr(search_loop, "save", lambda *given: None)
    found = resized_data(asked(tmp_path).data, seed=0)
    judged = lambda work: int(found.folds[work.fold].sum())  # noqa: E731
    seed = len(list(tmp_path.iterdir()))
    monkeypatch.setattr(search_loop, "open_pool", lambda on, count: closing(Pretended(count, seed, judged)))
    (tmp_path / name).mkdir()
    search = search_loop.open_search(
        found, aim, tmp_path / name, seed=0, seconds=seconds, finish=seconds, coloured=False,
        recalled=False,
    )  # fmt: skip
    if seconds < math.inf:
        search.seconds = seconds
    looks = list(search_loop.run_search(search, cores, **given))
    assert any(look.ended is not None for look in looks)
    return search


def test_what_is_decided_depends_on_results_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With trainings that end in any order and take any time, the same candidates are tried."""
    tried = []
    for cores in (1, 2, 3, 8):
        search = searched(tmp_path, monkeypatch, str(cores), cores, math.inf, count=20)
        assert len(search.population.trials) == 20 and search.complete == 20
        assert search.population.best().rung == 2
        assert sum(one.rung == 2 for one in search.population.trials) >= 2
        tried.append([(one.genes, one.rung) for one in search.population.trials])
    assert tried[0] == tried[1] == tried[2] == tried[3]


def test_a_busy_machine_tries_fewer_candidates_and_not_other_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A search of the same time on a clock that runs three times as fast."""
    tried = []
    for name, tick in (("idle", 0.02), ("busy", 0.06)):
        clock = itertools.count(0.0, tick)
        monkeypatch.setattr(search_loop.time, "monotonic", lambda clock=clock: next(clock))
        monkeypatch.setattr(search_loop, "RATE", 1e9)  # so that the clock of the work is ahead of the other one
        search = searched(tmp_path, monkeypatch, name, 2, 40.0)
        tried.append([one.genes for one in search.population.trials])
    idle, busy = tried
    same = int(0.8 * len(busy))  # towards the end, only what would end in time is begun
    assert 8 < len(busy) < len(idle) and idle[:same] == busy[:same]


def test_a_machine_that_is_slower_than_usual_still_trains_the_best_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By the clock of the work, hardly anything of the time is over when all of it is."""
    clock = itertools.count(0.0, 0.15)
    monkeypatch.setattr(search_loop.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(search_loop, "RATE", 1e15)
    search = searched(tmp_path, monkeypatch, "slow", 2, 40.0, Aim(limits=Limits(flash=16_000)))
    ends = [one.number for one in search.population.trials if one.rung == 2 and not one.anchor]
    assert ends and search.population.best().number in ends


def test_a_search_that_pauses_goes_on_with_what_was_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A search of the same time in one go, and with a pause for a first network after a fifth."""
    clock = itertools.count(0.0, 0.05)
    monkeypatch.setattr(search_loop.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(search_loop, "RATE", 1e9)
    aim = Aim(limits=Limits(flash=16_000))
    search = searched(tmp_path, monkeypatch, "paused", 2, 40.0, aim, until=0.2)
    first = [one.genes for one in search.population.trials]
    left = list(search.waiting)
    assert 8 <= search.spent < 12 and left and search.population.best() is not None
    list(search_loop.run_search(search, 2))
    assert 30 < search.spent < 46 and [one.genes for one in search.population.trials][: len(first)] == first
    for work in left:
        assert any(update.work.key == work.key for rung in search.population.trials[work.trial].updates.values()
                   for update in rung)  # fmt: skip
    assert not any(one.pending for one in search.population.trials[: len(first)])


@pytest.mark.parametrize("trials", [0, -1, 10**9])
def test_a_number_of_candidates_is_checked(trials: int):
    with pytest.raises(UsageError, match="candidates; given"):
        pipeline.FitRequest(data="digits", trials=trials)
    with pytest.raises(UsageError, match="candidates; given"):
        fw.fit("digits", trials=trials)


def test_the_promise_holds_as_often_as_it_says() -> None:
    """Of twenty searches, whose figures are committed, the interval covers what was reached in nine tenths or more."""
    kept = json.loads((Path(__file__).parents[2] / "results" / "fit_coverage.json").read_text())
    assert len(kept) == 20 and len({(one["pictures"], one["seed"]) for one in kept}) == 20
    held = [one["low"] <= one["reached"] <= one["high"] for one in kept]
    assert held == [one["covered"] for one in kept] and sum(held) >= 18
    assert all(one["low"] <= one["promised"] <= one["high"] for one in kept)
