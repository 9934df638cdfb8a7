"""`fw.fit` from a script, under pytest and for a notebook: its options, its progress, and how a result is shown."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featherweight as fw
from brief_search import asked, short
from featherweight.api.fit import Fitted
from featherweight.cli import fit as command
from featherweight.errors import UsageError
from featherweight.experiments.record import read_record
from featherweight.search.fit import planning, state
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.notes import read_result
from featherweight.search.fit.pipeline import show_front
from featherweight.search.fit.request import FitRequest
from featherweight.training.runs.folders import finished_runs


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, list[tuple[float, str]]]:
    """A search of four candidates, and what its progress was told."""
    with pytest.MonkeyPatch.context() as patch:
        for owner in (state, planning):
            for name in ("FEWEST_EPOCHS", "MOST_EPOCHS", "LEAST_EPOCHS"):
                patch.setattr(owner, name, getattr(owner, name, 0), raising=False)
        short()
        told: list[tuple[float, str]] = []
        request = asked(tmp_path_factory.mktemp("call"))
        found = fw.fit(
            request.data, flash=9000, trials=4, out=tmp_path_factory.mktemp("call") / "out",
            progress=lambda share, text: told.append((share, text)),
        )  # fmt: skip
    return found, told


def test_the_call_has_every_option_of_the_command() -> None:
    options = set(inspect.signature(command.fit).parameters) - {"as_json", "front"}
    names = set(inspect.signature(fw.fit).parameters)
    assert len(options) > 15 and options <= names
    assert names - options == {"progress", "on_news"}


def test_progress_goes_from_0_to_1_and_says_what_is_done(fitted: Any) -> None:
    _, told = fitted
    shares = [share for share, _ in told]
    assert all(0 <= share <= 1 for share in shares) and shares[-1] == 1.0 and shares[0] < 0.5
    assert any("candidates" in text for _, text in told) and any("epoch" in text for _, text in told)


def test_a_result_prints_as_its_card_and_names_what_matters(fitted: Any) -> None:
    found, _ = fitted
    card = (found.folder / "MODEL_CARD.md").read_text()
    assert str(found) == card == found._repr_markdown_() and found.values["sentence"] in repr(found)
    hoped, over = found.values["promise"], found.values["over_seeds"]
    assert hoped["interval"][0] <= hoped["accuracy"] <= hoped["interval"][1] and 1 <= hoped["candidates"] <= 4
    assert over["seeds"] == len(found.values["runs"]) == 2 and f"{over['mean']:.2f} %" in card
    assert "ms at 64 MHz" in card and "Bits of a weight" in card
    assert read_result(found.folder) == json.loads(json.dumps(found.values))
    page = (found.folder / "report.html").read_text()
    first = page.index('id="search"')
    assert first < page.index('id="training"') and 'id="verdict"' not in page and "fewer than" not in page[:first]


def test_the_runs_of_a_search_are_those_of_its_experiment_file(fitted: Any) -> None:
    found, _ = fitted
    (file,) = found.folder.glob("*.py")
    record = read_record(found.folder / found.values["runs"][0]["folder"])
    assert record.experiment == str(file.resolve())
    known = finished_runs(fw.find(str(file)), [found.folder / "runs"], [0, 1], record.data["source"])
    assert [one.seed for one in known] == [0, 1]
    assert found.model.predict(np.zeros((1, 9, 9), np.uint8))


def test_the_front_is_shown_and_bad_points_are_refused(fitted: Any, tmp_path: Path) -> None:
    found, _ = fitted
    data = asked(tmp_path).data
    request = FitRequest(data=data, limits=Limits(flash=9000), out=found.folder)
    points, lines = show_front(request)
    assert [one["point"] for one in points] == list(range(1, len(points) + 1)) and len(lines) == len(points) + 1
    assert all(one["flash"] <= 9000 for one in points)
    question = (found.folder / "asked.json").read_bytes()
    with pytest.raises(UsageError, match="--point 99"):
        fw.fit(data, flash=9000, trials=4, point=99, out=found.folder)
    assert (found.folder / "asked.json").read_bytes() == question  # another look does not change what was asked
    for call in (lambda: show_front(replace(request, out=tmp_path / "none")),
                 lambda: fw.fit(data, point=1, out=tmp_path / "none")):  # fmt: skip
        with pytest.raises(UsageError, match="holds no search"):
            call()
    with pytest.raises(UsageError, match="no network within these limits"):
        show_front(replace(request, limits=Limits(flash=10)))
    with pytest.raises(UsageError, match="needs on='ray'"):
        fw.fit(data, gpus=1, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
