"""Fixtures that several test files share."""

from dataclasses import replace
from pathlib import Path

import pytest


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
        for _ in fw.train(run):
            pass
        folders.append(run.folder)
    return folders
