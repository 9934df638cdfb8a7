"""An experiment's own data set: what is trained on where none is named, and what it is judged by beside others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from docs.build import candidate_record
from torch import nn

from commands import Run
from featherweight.data.sets import SETS
from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import RULES, SHAPES, TITLES, contenders, find, ids
from featherweight.networks.difference import differences
from featherweight.training.runs.task import Task, check_task

ON_DIGITS = """
from torch import nn

import featherweight as fw

experiment = fw.Experiment(
    data="digits",
    network=lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    recipe=fw.Recipe(epochs=1, lr=0.01),
    budget=fw.Budget(accuracy=50, held=1),
)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "linear.py"
    path.write_text(ON_DIGITS)
    return path


def test_an_experiment_is_trained_on_its_own_set_unless_another_is_named(run: Run, file: Path) -> None:
    _, out, _ = run("train", file, "--json")
    record = json.loads((Path(json.loads(out)["run"]) / "record.json").read_text())
    assert record["data"]["source"] == "digits"
    assert check_task(Task(experiment=str(file))).data.name == "digits"
    with pytest.raises(UsageError, match="There is no data set 'letters'"):
        check_task(Task(experiment=str(file), data="letters"))


def test_mnist_s_experiments_go_on_falling_back() -> None:
    assert [find("f3").data_named(name) for name in ("auto", "digits")] == ["auto", "digits"]
    assert [find("g1").data_named(name) for name in ("auto", "mnist")] == ["fashion-mnist", "mnist"]


def test_an_experiment_is_judged_by_its_own_rule_or_its_set_s() -> None:
    experiment = find("g1")
    assert experiment.judged_by == RULES["fashion-mnist"] == Budget(accuracy=92.8, held=1)
    assert find("f1").judged_by == Budget()
    assert replace(experiment, rule=Budget(epochs=3)).judged_by == Budget(epochs=3)
    assert replace(experiment, data="letters").judged_by == experiment.budget


def test_every_set_with_experiments_has_a_rule_and_its_own_contenders() -> None:
    sets = {find(id).data for id in ids()}
    assert sets == set(RULES) == set(SHAPES) == set(TITLES) == {"mnist", "fashion-mnist", "cifar10"}
    assert [one.id for one in contenders("fashion-mnist")] == ["fashion", "fashion-20k"]
    assert [one.id for one in contenders("cifar10")] == ["cifar", "cifar-78k", "cifar-mcu", "cifar-tiny"]
    for data in sets:
        known = {one.id for one in contenders(data)}
        assert {anchor.beside for anchor in candidate_record.anchors(data)} <= known
    assert {anchor.beside for anchor in candidate_record.anchors("cifar10")} >= {"cifar-78k", "cifar-mcu", "cifar-tiny"}


def test_what_mlperfs_network_reaches_is_what_was_counted() -> None:
    counted = json.loads((Path(__file__).parents[2] / "results" / "bench" / "resnet8.json").read_text(encoding="utf-8"))
    found = [one for one in candidate_record.anchors("cifar10") if one.file.endswith(counted["file"])]
    assert [(one.last, one.flash) for one in found] == [
        (100 * counted["correct"] / counted["images"], counted["bytes"])
    ]


def test_the_shapes_are_those_of_the_sets_files() -> None:
    images = {name: SETS[name].train[0].shape[1:] for name in SHAPES}
    assert {name: (1, *shape) if len(shape) == 2 else shape for name, shape in images.items()} == SHAPES


def test_an_experiment_is_built_for_its_own_set_unless_another_is_named() -> None:
    own, other = find("h3").build(), find("h3").build(channels=1)
    assert [next(net.parameters()).shape for net in (own, other)] == [(14, 3, 3, 3), (14, 1, 3, 3)]
    fixed = replace(find("h3"), network=lambda: nn.Conv2d(3, 10, 32))
    assert fixed.build(channels=3, classes=10).weight.shape == (10, 3, 32, 32)
    with pytest.raises(UsageError, match="made for 3 channels and 10 classes, but the data has 1 and 10"):
        fixed.build(channels=1)


def test_a_file_that_begins_from_an_experiment_is_made_for_its_set(run: Run, tmp_path: Path) -> None:
    assert run("new", tmp_path / "mine.py", "--from", "h5")[0] == 0
    mine = find(str(tmp_path / "mine.py"))
    assert (mine.data, mine.shape, mine.recipe) == ("cifar10", (3, 32, 32), find("h5").recipe)
    assert differences(mine, find("h5")) == []
    text = (tmp_path / "mine.py").read_text()
    assert text.startswith('"""A network of my own for CIFAR-10 (3 x 32 x 32, 10 classes), which began as h5.')
    assert "104  8  8" in text
    status, out, _ = run("show", tmp_path / "mine.py")
    assert status == 0 and "34,706 parameters are within it" in out


def test_list_shows_one_set(run: Run) -> None:
    shown = {}
    for words in ([], ["--data", "mnist"], ["--data", "fashion"], ["--data", "fashion-mnist"]):
        status, out, _ = run("list", "--json", *words)
        assert status == 0
        shown[" ".join(words)] = [entry["id"] for entry in json.loads(out)["experiments"]]
    assert shown["--data fashion"] == shown["--data fashion-mnist"] == ["g1", "g2", "g3", "fashion", "fashion-20k"]
    assert shown[""] == shown["--data mnist"] == [id for id in ids() if find(id).data == "mnist"]
    _, text, _ = run("list", "--data", "fashion")
    assert "at least 92.80 % at the last epoch" in " ".join(text.split()) and "99.40" not in text
    shown = json.loads(run("list", "--json", "--data", "cifar10")[1])["experiments"]
    assert [one["id"] for one in shown] == [id for id in ids() if find(id).data == "cifar10"]
    assert [one["parameters"] for one in shown][-4:] == [49_002, 77_226, 19_218, 11_058]
    _, text, _ = run("list", "--data", "cifar10")
    assert "at least 85.00 % in each of the last 5 epochs" in " ".join(text.split()) and "99.40" not in text
    assert max(map(len, text.splitlines())) <= 80
    status, _, err = run("list", "--data", "letters")
    assert status == 2 and "There are no experiments on 'letters'; there are: mnist, fashion-mnist, cifar10." in err
