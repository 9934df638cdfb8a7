"""The package's experiments on other data, and training in one call."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featherweight as fw
import toy
from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Row
from featherweight.training.runs.folders import folder_name
from featherweight.training.runs.task import adapt_budget

DRAWS = np.random.default_rng(3)


def colours(classes: int = 4) -> fw.Data:
    images = DRAWS.integers(0, 256, (48, 3, 28, 28), dtype=np.uint8)
    return fw.Data.from_arrays(images, np.arange(48) % classes, name="my flowers!")


def test_a_budget_grows_by_what_channels_and_classes_add() -> None:
    """f3's first convolution has 8 channels of 3 x 3, its last layer 15 inputs."""
    experiment, said = adapt_budget(fw.find("f3"), colours())
    more = (3 - 1) * 8 * 9 - (10 - 4) * (15 + 1)
    assert experiment.budget.parameters == 8000 + more == 8048
    assert said == (
        "f3 is made for 1 channel and 10 classes; for 3 channels and 4 classes its budget is 8,048 parameters, 48 more"
        " than its own"
    )
    assert adapt_budget(fw.find("f3"), fw.load_data("digits")) == (fw.find("f3"), "")
    assert adapt_budget(toy.experiment(), colours()) == (toy.experiment(), "")
    lean, said = adapt_budget(fw.find("leanest"), colours())
    assert lean.budget.macs == 250_000 + 2 * 5 * 9 * 26**2 - 6 * 20
    assert "and 310,720 MACs, 60,720 more" in said


def test_data_of_the_user_s_own_are_in_the_run_s_name() -> None:
    assert folder_name("f3", colours(), 2) == "f3-my_flowers-seed2"
    assert folder_name("bars", toy.data(), 2) == "bars-seed2"
    assert folder_name("f3", fw.load_data("digits"), 2) == "f3-seed2"


def test_a_bare_network_and_a_budget_are_enough(tmp_path: Path) -> None:
    network = toy.network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    rows: list[Row] = []
    model = fw.train(
        network, toy.data(), budget=Budget(parameters=500, epochs=3, accuracy=30, held=1), recipe=toy.RECIPE,
        on_epoch=rows.append, out=tmp_path, threads=1, engine="torch",
    )  # fmt: skip
    assert [row.epoch for row in rows] == [1, 2, 3] and tuple(rows) == model.record.rows
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert model.record.experiment == "sequential" and model.folder == tmp_path / "sequential-seed0"
    again = fw.load(model.folder)
    images = toy.data().test.images
    assert torch.equal(again(images), model(images))
    assert model.evaluate(toy.data())["test_accuracy"] == rows[-1].test_accuracy
    with pytest.raises(fw.FeatherweightError, match="416 parameters, but its budget allows fewer than 400"):
        fw.train(network, toy.data(), budget=Budget(parameters=400), out=tmp_path)


def test_seeds_draw_other_weights_and_give_a_list(tmp_path: Path) -> None:
    settings = {"recipe.epochs": 1, "recipe.lr": 0.01}
    models = fw.train(toy.experiment(), toy.data(), seeds=[3, 5], settings=settings, out=tmp_path, threads=1)
    assert [model.record.seed for model in models] == [3, 5]
    assert [model.record.recipe["lr"] for model in models] == [0.01, 0.01]
    images = toy.data().test.images
    assert not torch.equal(models[0](images), models[1](images))


class Halved(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 2


def test_networks_of_foreign_modules_and_functions_are_trained_too(tmp_path: Path) -> None:
    foreign = nn.Sequential(nn.Flatten(), nn.Linear(143, 4), Halved(), nn.LogSoftmax(dim=1))
    model = fw.train(foreign, toy.data(), settings={"recipe.epochs": 1}, out=tmp_path, threads=1)
    assert model.record.recipe["loss"] == "nll" and model.record.architecture["unserialisable"] == "layer 2 (Halved)"
    assert model.record.budget["parameters"] == 143 * 4 + 4 + 1
    assert model.evaluate(toy.data())["correct"] == round(model.record.rows[-1].test_accuracy * 23 / 100)
    made = fw.train(toy.network, toy.data(), settings={"recipe.epochs": 1}, out=tmp_path, threads=1)
    assert made.record.experiment == "network"
    with pytest.raises(fw.FeatherweightError, match="train takes an experiment, a network or a function"):
        fw.train(3, toy.data())  # type: ignore[arg-type]


def test_a_summary_nests_as_the_network_does() -> None:
    network = nn.Sequential(fw.conv_norm_relu(3, 5), fw.Residual(fw.conv_norm_relu(5, 5, padding=1)), nn.Flatten())
    lines = repr(fw.summary(network, (3, 9, 7))).splitlines()
    names = [line[:7].rstrip() for line in lines[2:13]]
    assert names == ["0", "  0", "  1", "  2", "1", "  0", "    0", "    1", "    2", "  add", "2"]
    assert lines[2].split() == ["0", "Sequential", "145", "4,725"] and lines[6].split()[:3] == ["1", "Residual", "235"]
    assert lines[-2].startswith("c: no. The network gives 5 x 7 x 5 numbers") and lines[-1].startswith("page: no.")
    of_f3 = repr(fw.summary("f3")).splitlines()
    assert "about" in of_f3[-2] and of_f3[-1] == "page: yes, where its ten classes are the digits 0 to 9"
