from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

import toy
from featherweight.checkpoint import load_state, save_state
from featherweight.errors import FileError, TrainingError, UsageError
from featherweight.recipe import Augment, Cosine, Plateau, Recipe, Step
from featherweight.train import State, fit

IDENTITY = {"experiment": "bars", "seed": 0}
RECIPES = {
    "sgd, one cycle, averaged": toy.RECIPE,
    "adam, cosine": replace(toy.RECIPE, optimizer="adam", lr=0.01, schedule=Cosine(), average=0.0),
    "adamw, step, plain end": replace(
        toy.RECIPE, optimizer="adamw", lr=0.01, schedule=Step(every_epochs=1), plain_epochs=1
    ),
    "plateau, elastic": replace(
        toy.RECIPE, schedule=Plateau(patience_epochs=1), augment=Augment(elastic_px=1, erase=0.5), momentum=0.0
    ),
}


def _left(recipe: Recipe, after: int, path: Path) -> State:
    """A run that was saved after so many events, forgotten, and taken up to its end from the file."""
    state = toy.fresh(recipe)
    for _ in islice(fit(state, toy.data(), recipe, 0, *toy.engines_of(state, recipe)), after):
        pass
    save_state(state, IDENTITY, path)
    again = toy.fresh(recipe, seed=99)
    load_state(again, IDENTITY, path)
    for _ in fit(again, toy.data(), recipe, 0, *toy.engines_of(again, recipe)):
        pass
    return again


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_taken_up_at_any_step_ends_bit_for_bit_the_same(name: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES[name], epochs=2)
    whole = toy.trained(recipe)
    for after in range(1, 10):  # 2 epochs of 4 steps and an evaluation each
        state = _left(recipe, after, tmp_path / "state.safetensors")
        for key, value in whole.kept.state_dict().items():
            assert torch.equal(value, state.kept.state_dict()[key]), (after, key)
        rows = [[replace(row, seconds=0) for row in run.rows] for run in (whole, state)]
        assert rows[0] == rows[1], after


def test_a_state_of_another_run_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(toy.fresh(), IDENTITY, path)
    with pytest.raises(UsageError, match=r"this has changed: seed \(was 0, is 1\)\."):
        load_state(toy.fresh(), IDENTITY | {"seed": 1}, path)


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(toy.fresh(replace(toy.RECIPE, average=0.0)), IDENTITY, path)
    with pytest.raises(FileError, match=r"it lacks 'averaged.0.0.weight', .* and 11 more"):
        load_state(toy.fresh(), IDENTITY, path)


@pytest.mark.parametrize("damage", ["truncated", "empty", "not there"])
def test_a_damaged_state_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(toy.fresh(), IDENTITY, path)
    content = path.read_bytes()
    path.unlink()
    if damage != "not there":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    with pytest.raises(FileError, match="is not a whole state of a run"):
        load_state(toy.fresh(), IDENTITY, path)


def test_weights_that_are_no_numbers_do_not_replace_the_last_good_state(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state = toy.fresh()
    save_state(state, IDENTITY, path)
    good = path.read_bytes()
    with torch.no_grad():
        state.vectors.decayed[0] = float("nan")
    with pytest.raises(TrainingError, match="no longer finite"):
        save_state(state, IDENTITY, path)
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
