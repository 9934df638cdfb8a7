"""How the tests are spread over the machine's cores, and the fixtures that several files share."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import Two, two_nodes
from commands import OWN, Run

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(
        _name, "1"
    )  # a thread a process: the cores are taken by processes; read when torch is imported

MOST_WORKERS = 8
"""Each worker holds PyTorch and its data in memory."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A process per core for the whole suite or a folder of it; none for what is picked by file, test or keyword."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # the runner reads it itself
    picked = (
        config.option.keyword
        or getattr(config.option, "lf", False)
        or not all(Path(word).is_dir() for word in config.args)
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # One more than there are cores, since about a fifth of the time is spent waiting: for other processes, for a
    # browser, for a node to be missed.
    return 0 if picked or cores == 1 else min(cores + 1, MOST_WORKERS)


FIRST = (
    "test_cluster.py", "test_export_page.py", "test_hours.py", "test_notebooks.py", "test_surroundings.py",
    "test_search_verb.py", "test_site.py", "test_crafted_inputs.py", "test_predict.py", "test_report_page.py",
    "test_fit.py", "test_environments.py",
    "test_lint.py", "test_confirm.py", "test_peers.py", "test_export_c.py", "test_reliability.py", "test_terminal.py",
    "test_cli.py", "test_native_sanitizers.py", "test_prove.py", "test_report.py", "test_native.py",
)  # fmt: skip
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: processes take one file after another, and so end at about the same time. A file's tests
    stay in one process, which makes once what they share."""
    place = {name: at for at, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(FIRST)))


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home, an empty cache and no settings; gives the home's folder."""
    names = ("FEATHERWEIGHT_DATA", "XDG_CACHE_HOME", "LOCALAPPDATA", "http_proxy", "https_proxy", "HTTPS_PROXY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return home


@pytest.fixture(scope="session")
def short_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two seeds of f3, trained for three epochs on the embedded digits; nothing may be written into their folders."""
    import featherweight as fw

    experiment, data, folders = fw.find("f3"), fw.load_data("digits"), []
    experiment = replace(experiment, recipe=experiment.recipe.with_epochs(3))
    for seed in (0, 1):
        run = fw.new_run(experiment, data, seed=seed, out=tmp_path_factory.mktemp("runs"), threads=1)
        for _ in fw.steps(run):
            pass
        folders.append(run.folder)
    return folders


@pytest.fixture(scope="session")
def two() -> Iterator[Two]:
    """Two Ray nodes on this machine, started once; skipped where Ray is not installed."""
    pytest.importorskip("ray")
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call the command line in an empty folder, without MNIST or a network to be had."""
    from featherweight.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEATHERWEIGHT_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["featherweight", *map(str, words)])
        status: object = 0
        try:
            main()
        except SystemExit as leave:
            status = leave.code or 0
        printed = capsys.readouterr()
        return int(str(status)), printed.out, printed.err

    return call


@pytest.fixture
def toy_file(tmp_path: Path) -> Path:
    """An experiment of somebody's own, quick to train on the embedded digits."""
    path = tmp_path / "my own.py"
    path.write_text(OWN)
    return path
