"""A search limited by candidates: the same one whatever the machine does, killed or not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import featherweight as fw
from brief_search import asked, short
from featherweight.errors import UsageError
from featherweight.search.fit import pipeline, search_by_trials, search_loop, state
from featherweight.search.fit.asha import Aim
from featherweight.search.fit.journal import read_result
from featherweight.search.fit.resized import resized_data
from featherweight.search.fit.workers import TrialTask, TrialUpdate

SCRIPT = """
import sys
from pathlib import Path
from brief_search import asked, short
from featherweight.search.fit import pipeline
if __name__ == "__main__":
    short()
    for news in pipeline.carry_out(asked(Path(sys.argv[1]))):
        pass
"""


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (state, search_loop):
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


def test_what_is_decided_depends_on_results_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With trainings that end in any order and take any time, the same candidates are tried."""
    monkeypatch.setattr(search_by_trials, "save", lambda *given: None)

    class Pretended:
        def __init__(self, count: int, *given: Any) -> None:
            self.count, self.underway, self.draws = count, [], np.random.default_rng(count)

        def idle(self) -> int | None:
            return 1 if len(self.underway) < self.count else None

        def give(self, member: int, work: TrialTask) -> None:
            self.underway.append(work)

        def news(self, seconds: float):
            work = self.underway.pop(int(self.draws.integers(len(self.underway))))
            judged = int(self.folds[work.fold].sum())
            right = hash((work.genes, work.fold, work.epochs)) % (judged + 1)
            yield TrialUpdate(
                work=work, done=1, seconds=float(self.draws.uniform(0, 99)), correct=right, judged=judged, loss=1.0
            )

        def close(self) -> None: ...

    monkeypatch.setattr(search_by_trials, "TrialPool", Pretended)
    found = resized_data(asked(tmp_path).data, seed=0)
    Pretended.folds = found.folds
    tried = []
    for cores in (1, 2, 3, 8):
        (tmp_path / str(cores)).mkdir()
        search = search_loop.open_search(
            found, Aim(target=60.0), tmp_path / str(cores), seed=0, seconds=float("inf"), finish=float("inf"),
            coloured=False, recalled=False,
        )  # fmt: skip
        looks = list(search_by_trials.run_by_trials(search, 30, cores))
        assert len(search.population.trials) == 30 and search.complete == 30 and looks[-1].ended is not None
        last = search.population.best()
        assert last.rung == 2 and sum(one.rung == 2 for one in search.population.trials) >= 2
        tried.append([(one.genes, one.rung) for one in search.population.trials])
    assert tried[0] == tried[1] == tried[2] == tried[3]


@pytest.mark.parametrize("trials", [0, -1, 10**9])
def test_a_number_of_candidates_is_checked(trials: int):
    with pytest.raises(UsageError, match="candidates; given"):
        pipeline.FitRequest(data="digits", trials=trials)
    with pytest.raises(UsageError, match="candidates; given"):
        fw.fit("digits", trials=trials)
