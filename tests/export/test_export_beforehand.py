"""C asked for before training: what cannot go there is refused, naming the layer, and nothing is trained."""

from pathlib import Path

import pytest
from torch import nn

import featherweight as fw
import toy
from commands import OWN, Run
from featherweight.errors import BudgetError, UsageError
from featherweight.export import estimate as beforehand
from featherweight.export.estimate import deployed
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import lower
from featherweight.export.memory import planned

FOREIGN = nn.Sequential(fw.conv_norm_relu(1, 5), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))


def test_a_layer_without_a_step_in_c_is_named_and_the_network_is_left_as_it_was() -> None:
    before = {name: value.clone() for name, value in FOREIGN.state_dict().items()}
    with pytest.raises(UsageError, match=r"cannot be exported to C as requested: layer 1 \(Softplus\) is of a kind"):
        beforehand.require_c(FOREIGN, (1, 11, 13))
    assert all((value == before[name]).all() for name, value in FOREIGN.state_dict().items()) and FOREIGN.training
    memory = beforehand.require_c(toy.network(), (1, 11, 13))
    assert memory.ram == planned(outline(lower(toy.network().eval(), (1, 11, 13)))).ram > 0


@pytest.mark.parametrize("way", ["to", "budget"])
def test_it_is_refused_from_python_before_a_run_is_begun(way: str, tmp_path: Path) -> None:
    budget = fw.Budget(parameters=1000, held=1, accuracy=0, epochs=1, ram=2000 if way == "budget" else None)
    asked = {"to": "c"} if way == "to" else {}
    with pytest.raises(UsageError, match=r"layer 1 \(Softplus\)"):
        fw.train(FOREIGN, toy.data(), budget=budget, out=tmp_path, **asked)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="trained for c, or for no form in particular; given 'onnx'"):
        fw.train(FOREIGN, toy.data(), budget=budget, out=tmp_path, to="onnx")


@pytest.mark.parametrize("what", ["flash", "ram", "cycles"])
def test_a_budget_of_a_chip_is_held_before_training(what: str, tmp_path: Path) -> None:
    smallest, faster = (
        deployed(toy.network().eval(), (1, 11, 13), processor=name) for name in ("cortex-m0plus", "cortex-m4")
    )
    takes = {"flash": smallest.flash, "ram": smallest.ram, "cycles": faster.most_cycles}[what]
    enough = fw.Budget(parameters=1000, held=1, accuracy=0, epochs=1, **{what: takes})
    assert f"at most {takes:,} " in enough.sentence() and enough.to_json()[what] == takes
    model = fw.train(toy.network(), toy.data(), budget=enough, out=tmp_path / "fits")
    assert model.record.budget[what] == takes and model.record.verdict.passed
    short = fw.Budget(parameters=1000, held=1, accuracy=0, epochs=1, **{what: takes - 1})
    with pytest.raises(BudgetError, match=f"takes {takes:,} .* where its budget allows {takes - 1:,}"):
        fw.train(toy.network(), toy.data(), budget=short, out=tmp_path / "over")
    assert not (tmp_path / "over").exists()
    with pytest.raises(UsageError, match=f"{what} must be .* 1 or more"):
        fw.Budget(**{what: 0})


def test_it_is_refused_by_the_verb(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("nn.Flatten(),", "nn.Flatten(), nn.Softplus(),"))
    for words in ((), ("--seeds", 2)):
        status, out, err = run("train", file, "--data", "digits", "--to", "c", *words)
        assert (status, out) == (2, "") and "layer 2 (Softplus) is of a kind" in err
    assert not (tmp_path / "runs").exists()
    assert run("train", "f1", "--data", "digits", "--to", "wasm")[0] == 2
    file.write_text(OWN)
    assert run("train", file, "--data", "digits", "--to", "c")[0] == 0
