"""Source trees in which the tests of the protocol commit records."""

from pathlib import Path

import pytest

from proving import Trainer, bare_tree, without_test_set


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree without records in the current folder, and an MNIST whose test set must not be asked for."""
    bare_tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    without_test_set(monkeypatch)
    return tmp_path


@pytest.fixture
def trainer(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(tree, monkeypatch)
