"""The engine's tests run as on a machine with eight processors: bits are compared on more threads than some have."""

import pytest


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featherweight.engine.processors", lambda: 8)
