"""Fixtures that several test files share."""

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
