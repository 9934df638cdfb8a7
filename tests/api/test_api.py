"""The public names, and a training from Python without the command line."""

import doctest
import importlib
import inspect
import re
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from docs.build.api_page import MAIN

import featherweight as fw
import toy


def test_every_public_name_is_there() -> None:
    assert 40 < len(fw.__all__) <= 50 and fw.__all__ == sorted(fw.__all__)
    for name in fw.__all__:
        value = getattr(fw, name)
        home = value.__name__ if isinstance(value, ModuleType) else value.__module__
        assert home.startswith("featherweight."), name
    assert set(fw.__all__) <= set(dir(fw))
    with pytest.raises(AttributeError, match="has no 'Net'; it has: Augment"):
        getattr(importlib.import_module("featherweight"), "N" + "et")


@pytest.mark.parametrize(
    ("name", "home", "instead"),
    [
        ("holds", "experiments.claims", "fw.claims.holds"),
        ("Verdict", "experiments.budget", "featherweight.experiments.budget.Verdict"),
        ("load_trained", "training.runs.trained", "fw.load(folder).trained"),
    ],
)
def test_names_that_were_public_still_resolve_and_say_what_to_use(name: str, home: str, instead: str) -> None:
    assert name not in fw.__all__
    with pytest.warns(DeprecationWarning, match=re.escape(f"use {instead}.")) as caught:
        found = getattr(fw, name)
    assert found is getattr(importlib.import_module(f"featherweight.{home}"), name)
    assert caught[0].filename == __file__


def test_every_name_of_the_version_before_resolves() -> None:
    before = """
        Anatomy Augment Bar Budget Claim Constant Cosine Crop Data Deskew Distil Experiment
        FeatherweightError Fitted Gated HardExamples Linear Model MultiStep OneCycle Plateau Prediction
        Proposal Recipe Record Residual Row Space Split Step Sum TrainedModel Verdict analysis beats_parent
        conv_norm_relu converges_faster data_of differences dissect figures find find_lr fit fluctuates
        holds judge layer load load_data load_trained lowers_train_accuracy needs_capacity new_run no
        notebook opinion overfits overfits_less rate_curve reaches read_record resume rounded
        separable_norm_relu residual_norm_relu squeeze_excite stack stalls steps summarise summary
        too_many_parameters train underfits
    """.split()  # noqa: SIM905, a list would take 75 lines
    assert len(before) == 75
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert all(callable(getattr(fw, name)) or isinstance(getattr(fw, name), ModuleType) for name in before)
    assert {str(one.message).split()[0] for one in caught} == {f"fw.{one}" for one in set(before) - set(fw.__all__)}


def test_a_run_from_python(tmp_path: Path) -> None:
    run = fw.new_run(toy.experiment(), toy.data(), seed=5, out=tmp_path, engine="torch")
    epochs = [state.epoch for state in fw.steps(run) if state.step == 0]
    assert epochs == [1, 2, 3]
    record = fw.read_record(tmp_path / "bars-seed5")
    assert record == run.record and record.finished
    assert len(record.rows) == 3 and record.parameters == 45 + 10 + 315 + 14 + 32
    assert record.data["name"] == "bars" and record.environment["threads"] >= 1


PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
ENTRIES = re.split(r"(?m)^(?:###|\*) <a id=", PAGE)[1:]
SECTIONS = {part.split("`")[1].removeprefix("fw.").split("(")[0]: part for part in ENTRIES}
BEFORE = "import torch\nfrom torch import nn\nimport featherweight as fw\nfrom featherweight import *"
"""What the page says that its examples begin with."""


def test_the_page_covers_every_public_name_with_its_parameters() -> None:
    assert sorted(SECTIONS) == fw.__all__ and all(f"`{line}`" in PAGE for line in BEFORE.split("\n"))
    for name, section in SECTIONS.items():
        value = getattr(fw, name)
        if inspect.isfunction(value):
            head = section.partition("\n")[0]
            assert all(re.search(rf"\b{one}\b", head) for one in inspect.signature(value).parameters), name
        assert len(section.split()) > 4, name


@pytest.mark.parametrize("name", MAIN)
def test_every_main_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n".join(re.findall(r"```python\n(.*?)```", SECTIONS[name], re.DOTALL))
    known: dict[str, object] = {}
    exec(BEFORE, known)
    examples = doctest.DocTestParser().get_doctest(text, known, name, None, 0)
    assert examples.examples and not any(one.options for one in examples.examples)
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=told.append)
    assert not told, "".join(told)
    assert list(tmp_path.iterdir()) == []
