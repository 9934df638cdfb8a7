"""What `doctor` finds, and what it says to type."""

import json
from pathlib import Path

import pytest

from commands import Run
from data_files import contents
from featherweight._version import __version__
from featherweight.cli import info as doctor
from featherweight.engine import native


def test_what_is_here_is_told_as_one_document(run: Run, alone: Path) -> None:
    status, out, err = run("doctor", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert told["featherweight"] in (__version__, "source") and told["threads"] >= 1
    assert (told["engine"] == "native") == (native.library() is not None) == bool(native.instructions())
    assert told["data"]["mnist"] is False and "load_data('mnist')" in json.dumps(told["missing"])
    assert set(told["extras"]) == set(doctor.EXTRAS)


def test_data_in_a_folder_is_found(run: Run, alone: Path) -> None:
    for name, content in contents().items():
        (alone / name).write_bytes(content)
    told = json.loads(run("doctor", "--json", "--data-dir", alone)[1])
    assert told["data"]["mnist"] is True and str(alone) in told["data_folders"]
    assert not any("set mnist " in one["what"] for one in told["missing"])


def test_what_is_missing_comes_with_what_to_type(run: Run, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setitem(doctor.EXTRAS, "search", ("optuna_that_is_not_there",))
    status, out, _ = run("doctor")
    assert status == 0 and "torch" in out
    assert "native engine is not built" in out and "g++" in out
    assert "pip install optuna_that_is_not_there" in " ".join(out.split())
