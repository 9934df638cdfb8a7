"""The engine's tests run as on a machine with four processors: bits are compared on more threads than some have."""

import pytest


@pytest.fixture(autouse=True)
def four_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featherweight.engine.threads.processors", lambda: 4)
