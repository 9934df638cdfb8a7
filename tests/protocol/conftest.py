"""Source trees in which the tests of the protocol commit records."""

import shutil
from pathlib import Path

import pytest

from docs.build import publish
from proving import Trainer, bare_tree, without_test_set


@pytest.fixture(scope="session")
def up_to_date(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source tree without records whose every text and picture is written; nothing may be written into it."""
    tree = bare_tree(tmp_path_factory.mktemp("checkout"))
    publish.write(tree)
    return tree


@pytest.fixture
def tree(up_to_date: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree in the current folder, up to date, and an MNIST whose test set must not be asked for."""
    shutil.copytree(up_to_date, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    without_test_set(monkeypatch)
    return tmp_path


@pytest.fixture
def trainer(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(tree, monkeypatch)
