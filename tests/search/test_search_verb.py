"""The verb search with its processes: shared studies, killed workers, stops, what is written, what is refused."""

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from commands import Run
from featherweight.experiments.experiment import find
from featherweight.networks.anatomy import dissect
from featherweight.search.driver import open_search
from featherweight.search.study import Job, counts_of, end_of, trials_of
from searched import HOLDOUT, data_folder, space_file
from source_text import network_call

DIGITS = ("--data", "digits", "--holdout", HOLDOUT, "--engine", "torch")


def _command(folder: Path, *words: object) -> list[str]:
    space, data = folder / "bars.py", folder / "poisoned"
    fixed = ["--data", data, "--holdout", HOLDOUT, "--engine", "torch", "--storage", folder / "shared.journal"]
    return [sys.executable, "-m", "featherweight", "search", *map(str, [space, *fixed, *words])]


def _begun(folder: Path, *words: object) -> "subprocess.Popen[str]":
    quiet = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(_command(folder, *words), start_new_session=True, **quiet)  # type: ignore[call-overload,no-any-return]


def _kept(folder: Path) -> Any:
    """The study in the shared storage."""
    given: dict[str, Any] = {"space": str(folder / "bars.py"), "storage": str(folder / "shared.journal")}
    return open_search(
        Job(**given, name="bars", trials=1, data=str(folder / "poisoned"), holdout=HOLDOUT, engine="torch")
    ).study


def _training(parent: int) -> int:
    """The process that trains for this one, as soon as it is there."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                above = int(stat.read_text().rsplit(")", 1)[1].split()[1])
                if above == parent and b"popen_loky" in stat.with_name("cmdline").read_bytes():
                    return int(stat.parent.name)
        time.sleep(0.02)
    raise AssertionError("no process has been started to train")


def _asked_by(process: "subprocess.Popen[str]", trial: Any) -> bool:
    return f":{process.pid}:" in trial.user_attrs.get("worker", "")


def _when(folder: Path, holds: Any, seconds: float = 600) -> None:
    """Wait until the journal's text is as it should be."""
    until, path = time.monotonic() + seconds, folder / "shared.journal"
    while not (path.exists() and holds(path.read_text())):
        assert time.monotonic() < until, "the search did not come so far"
        time.sleep(0.02)


def test_two_machines_share_a_study_and_a_killed_worker_s_place_is_given_to_another(tmp_path: Path) -> None:
    space_file(tmp_path, ("epochs=3", "epochs=5"))
    data_folder(tmp_path)
    one, two = _begun(tmp_path, "--trials", 10, "--workers", 1, "--json"), None
    try:
        two = _begun(tmp_path, "--trials", 10, "--workers", 1, "--seed", 1, "--json")
        worker = _training(one.pid)
        os.kill(worker, signal.SIGSTOP)  # so that its trial cannot end
        _when(tmp_path, lambda text: f":{one.pid}:" in text)
        while not any(_asked_by(one, trial) and not trial.state.is_finished() for trial in trials_of(_kept(tmp_path))):
            time.sleep(0.1)
        os.kill(worker, signal.SIGKILL)
        documents = []
        for process in (one, two):
            out, err = process.communicate(timeout=600)
            assert process.returncode == 0, err
            documents.append(json.loads(out))
    finally:
        for process in (one, two):
            if process is not None:
                process.kill()
    trials = trials_of(_kept(tmp_path))
    ended = [trial for trial in trials if end_of(trial) in ("finished", "early", "diverged")]
    assert len(ended) == 10 == documents[0]["counts"]["ended"] == documents[1]["counts"]["ended"]
    assert documents[0]["counts"]["lost"] == 1 and documents[0]["counts"]["running"] == 0
    keys = Counter(trial.user_attrs["proposal"]["key"] for trial in ended)
    assert set(keys.values()) == {1}
    assert [_asked_by(one, trial) for trial in trials if end_of(trial) == "lost"] == [True]
    assert documents[0]["best"]["trial"] == documents[1]["best"]["trial"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_search_says_so_and_goes_on(number: int, status: int, tmp_path: Path) -> None:
    space_file(tmp_path, ("epochs=3", "epochs=5"))
    data_folder(tmp_path)
    process = _begun(tmp_path, "--trials", 500, "--workers", 1)
    _when(tmp_path, lambda text: '"result"' in text)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == status, err
    assert "Stopped; the same command continues the study." in err and "Traceback" not in err
    now = counts_of(_kept(tmp_path))
    assert now.running == 0 and 1 <= now.finished < 500 and "finished" in out


def test_the_best_is_written_as_an_experiment_that_gives_the_same_figures(run: Run, tmp_path: Path) -> None:
    space = space_file(
        tmp_path, ('name="bars"', 'name="tiny"'), ("epochs=3, batch=32", "epochs=3, batch=32, average=0.9")
    )
    words = ("search", space, *DIGITS, "--trials", 2, "--workers", 1, "--write-best", "best.py", "--picture", "p.svg")
    status, out, err = run(*words)
    assert status == 0, err
    assert "fewer than 500 parameters" in out and "The Pareto front" in out and "wrote best.py" in out
    assert "<svg" in Path("p.svg").read_text() and "2 of 2" in out
    status, out, _ = run(*words, "--json")
    document = json.loads(out)
    best = document["best"]
    assert status == 0 and document["counts"]["ended"] == 2 and document["written"] == "best.py"
    assert best["accuracy"] == max(trial["accuracy"] for trial in document["trials"])

    status, out, _ = run("show", "best.py", "--json")
    shown = json.loads(out)
    assert (shown["parameters"], shown["macs"]) == (best["parameters"], best["macs"])
    assert shown["budget"] == {name: document["budget"][name] for name in shown["budget"]}
    experiment = find("best.py")
    assert experiment.recipe.to_json() == best["recipe"] and asdict(experiment.budget)["held"] == 2
    _, out, _ = run("train", "best.py", *DIGITS, "--json", "--threads", 1)
    epochs = json.loads(out)["epochs"]
    assert sum(epoch["test_accuracy"] for epoch in epochs[-2:]) / 2 == pytest.approx(best["accuracy"], abs=1e-9)

    source = Path("best.py").read_text()
    layers, lines = network_call(source).args, source.splitlines()
    blocks = dissect(experiment.build()).blocks()
    assert len(layers) == len(blocks) == 6
    for part, block in zip(layers, blocks, strict=True):
        margin = lines[part.lineno - 1].partition("#")[2].split()
        assert [int(cell) for cell in margin] == ([*block.output, block.field] if len(block.output) == 3 else [])
    assert ast.get_docstring(ast.parse(source)).startswith("Found by `featherweight search tiny`")  # type: ignore[union-attr]
    for check in (["check"], ["format", "--check"]):
        made = [sys.executable, "-m", "ruff", *check, "--line-length", "120", "best.py"]
        assert subprocess.run(made, check=False, capture_output=True).returncode == 0, source


def test_wrong_use_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_file(tmp_path)
    Path("mine.py").write_text("print('mine')\n")
    for words, sentence in [
        (("smalest",), "did you mean smallest?"),
        ((space, "--holdout", 0), "1,000 or more held-out training images, never on the test set"),
        ((space, *DIGITS, "--write-best", "mine.py"), "mine.py exists and was not written by a search"),
        ((space, *DIGITS, "--write-best", "best.txt"), "An experiment must be written to a .py file"),
        ((space, *DIGITS, "--picture", "front.pdf"), "written to an .svg or .png file"),
        ((space, *DIGITS, "--storage", "oracle://x"), "The storage oracle://x cannot be used"),
    ]:
        status, out, err = run("search", *words)
        assert (status, err.count("\n")) == (2, 1) and sentence in err and "Traceback" not in out, words
    assert Path("mine.py").read_text() == "print('mine')\n"
    found = importlib.util.find_spec
    monkeypatch.setattr("featherweight.search.find_spec", lambda name: None if name == "optuna" else found(name))
    status, _, err = run("search", "smallest")
    assert status == 2 and "pip install optuna" in err


def test_a_space_all_over_budget_ends_the_search(run: Run, tmp_path: Path) -> None:
    space = space_file(tmp_path, ("parameters=500", "parameters=20"))
    status, _, err = run("search", space, *DIGITS, "--workers", 1)
    assert status == 2 and "No proposal of the space bars was within its budget (fewer than 20 parameters" in err


def test_a_study_without_trials_shows_nothing(run: Run, tmp_path: Path) -> None:
    space = space_file(tmp_path)
    status, out, _ = run("search", space, *DIGITS, "--trials", 0, "--write-best", "best.py")
    assert status == 0 and "No trial has finished" in out and not Path("best.py").exists()
