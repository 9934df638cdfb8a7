"""The public names, and a training from Python without the command line."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

import featherweight as fw
import toy


def test_every_public_name_is_there() -> None:
    assert len(fw.__all__) == 71 and fw.__all__ == sorted(fw.__all__)
    for name in fw.__all__:
        value = getattr(fw, name)
        home = value.__name__ if isinstance(value, ModuleType) else value.__module__
        assert home.startswith("featherweight."), name
    assert set(fw.__all__) <= set(dir(fw))
    with pytest.raises(AttributeError, match="has no 'Net'; it has: Anatomy"):
        getattr(importlib.import_module("featherweight"), "N" + "et")


def test_a_run_from_python(tmp_path: Path) -> None:
    run = fw.new_run(toy.experiment(), toy.data(), seed=5, out=tmp_path, engine="torch")
    epochs = [state.epoch for state in fw.steps(run) if state.step == 0]
    assert epochs == [1, 2, 3]
    record = fw.read_record(tmp_path / "bars-seed5")
    assert record == run.record and record.finished
    assert len(record.rows) == 3 and record.parameters == 45 + 10 + 315 + 14 + 32
    assert record.data["name"] == "bars" and record.environment["threads"] >= 1
