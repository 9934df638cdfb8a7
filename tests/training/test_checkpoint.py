import json
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

import toy
from featherweight import io
from featherweight.errors import FileError, TrainingError, UsageError
from featherweight.experiments.recipe import Augment, Cosine, HardExamples, Plateau, Recipe, Step
from featherweight.training.loop import fit
from featherweight.training.runs.checkpoint import load_state, previous, remove_states, require_same, save_state
from featherweight.training.state import State

IDENTITY = {"experiment": "bars", "seed": 0}
RECIPES = {
    "sgd, one cycle, averaged": toy.RECIPE,
    "adam, cosine": replace(toy.RECIPE, optimizer="adam", lr=0.01, schedule=Cosine(), average=0.0),
    "adamw, step, plain end": replace(
        toy.RECIPE, optimizer="adamw", lr=0.01, schedule=Step(every_epochs=1), plain_epochs=1
    ),
    "hard examples": replace(toy.RECIPE, hard=HardExamples(factor=7, loss=3.0)),
    "plateau, elastic": replace(
        toy.RECIPE, schedule=Plateau(patience_epochs=1), augment=Augment(elastic_px=1, erase=0.5), momentum=0.0
    ),
}


def _left(recipe: Recipe, after: int, path: Path) -> State:
    """A run that was saved after so many events, forgotten, and resumed to its end from the file."""
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
def test_a_run_resumed_at_any_step_ends_bit_for_bit_the_same(name: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES[name], epochs=2)
    whole = toy.trained(recipe)
    for after in range(1, 10):  # 2 epochs of 4 steps and an evaluation each
        state = _left(recipe, after, tmp_path / "state.safetensors")
        for key, value in whole.ema_network.state_dict().items():
            assert torch.equal(value, state.ema_network.state_dict()[key]), (after, key)
        rows = [[replace(row, seconds=0) for row in run.rows] for run in (whole, state)]
        assert rows[0] == rows[1], after
        assert (whole.losses is None) == (state.losses is None)
        if whole.losses is not None and state.losses is not None:
            assert torch.equal(whole.losses, state.losses), after


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
    with pytest.raises(FileError, match="is not a complete state of a run"):
        load_state(toy.fresh(), IDENTITY, path)


def test_weights_that_are_no_numbers_do_not_replace_the_last_good_state(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state = toy.fresh()
    save_state(state, IDENTITY, path)
    good = path.read_bytes()
    with torch.no_grad():
        state.parameters.decayed[0] = float("nan")
    with pytest.raises(TrainingError, match="no longer finite"):
        save_state(state, IDENTITY, path)
    assert path.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


# ------------------------------------------------------------------------------------------- the state before


def _two_states(path: Path) -> State:
    """A state after one step, and the one of before it beside; the state."""
    state = toy.fresh()
    save_state(state, IDENTITY, path)
    next(fit(state, toy.data(), toy.RECIPE, 0, *toy.engines_of(state, toy.RECIPE)))
    save_state(state, IDENTITY, path)
    return state


def test_the_state_before_is_kept_and_used_when_the_newest_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    _two_states(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state.before.safetensors", "state.safetensors"]
    again = toy.fresh(seed=99)
    assert load_state(again, IDENTITY, path) == "" and again.step == 1
    path.write_bytes(path.read_bytes()[:-1])
    said = load_state(again, IDENTITY, path)
    assert again.step == 0 and said.startswith(f"{path} cannot be used (state.safetensors: its bytes do not match its")
    assert said.endswith("; using the previous state.")
    path.unlink()  # a kill between the two renames
    assert "it is not there" in load_state(again, IDENTITY, path)
    previous(path).write_bytes(b"")
    with pytest.raises(
        FileError, match=r"and neither is the one before it \(state.safetensors: it is not there; state.b"
    ):
        load_state(again, IDENTITY, path)
    remove_states(path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state = _two_states(path)
    good = previous(path).read_bytes()
    path.write_bytes(b"damaged")
    save_state(state, IDENTITY, path)
    assert previous(path).read_bytes() == good
    assert load_state(toy.fresh(), IDENTITY, path) == ""


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append(f"flush {_name(handle)}"), flush(handle))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append(f"{self.name} to {Path(to).name}"), rename(self, to))[1]
    )
    (tmp_path / "x").write_bytes(b"old")
    io.write_bytes(tmp_path / "x", b"new", keep=tmp_path / "y")
    part = f".x.{os.getpid()}.part"
    assert order == [f"flush {part}", "x to y", f"{part} to x", f"flush {tmp_path.name}"]
    assert ((tmp_path / "x").read_bytes(), (tmp_path / "y").read_bytes()) == (b"new", b"old")


def _name(handle: int) -> str:
    return Path(f"/proc/self/fd/{handle}").readlink().name


def test_what_fails_to_be_written_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.safetensors"
    state = _two_states(path)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for problem, error in (
        (OSError(28, "No space left on device"), FileError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        monkeypatch.setattr(os, "fsync", lambda _, problem=problem: (_ for _ in ()).throw(problem))
        with pytest.raises(error):
            save_state(state, IDENTITY, path)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"counts": {"epoch": -1}}, "epoch is -1"),
        ({"counts": {"epoch": 1}}, "it has 0 rows for 1 epochs"),
        ({"counts": {"step": True}}, "step is True"),
        ({"counts": {"step": 1.5}}, "step is 1.5"),
        ({"counts": {"seen": 0}}, "it has seen 0 images in 1 steps"),
        ({"counts": {"lr": float("nan")}}, "NaN is not a number"),
        ({"counts": {"lr": "0.1"}}, "lr is '0.1'"),
        ({"counts": {"epoch_seconds": None}}, "epoch_seconds is None"),
        ({"rows": [{"epoch": 1}]}, "missing 6 required"),
        ({"rows": 7}, "malformed"),
    ],
)
def test_counts_that_cannot_be_are_refused(
    change: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.safetensors"
    state = toy.fresh()
    next(fit(state, toy.data(), toy.RECIPE, 0, *toy.engines_of(state, toy.RECIPE)))
    dumps = json.dumps

    def changed(values: Any, **settings: Any) -> str:
        if isinstance(values, dict) and "counts" in values:
            values = values | change | {"counts": values["counts"] | change.get("counts", {})}
        return dumps(values, **settings)

    monkeypatch.setattr(json, "dumps", changed)
    save_state(state, IDENTITY, path)
    with pytest.raises(FileError, match=sentence):
        load_state(toy.fresh(), IDENTITY, path)


def test_an_optimiser_s_memory_must_be_that_of_the_optimiser(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    adam = replace(toy.RECIPE, optimizer="adam", lr=0.01)
    state = toy.fresh(adam)
    next(fit(state, toy.data(), adam, 0, *toy.engines_of(state, adam)))
    save_state(state, IDENTITY, path)
    with pytest.raises(
        FileError, match="it lacks 'optimizer.0.momentum_buffer', .* and also holds 'optimizer.0.exp_avg'"
    ):
        load_state(toy.fresh(), IDENTITY, path)


def test_what_changed_is_named_and_nothing_else() -> None:
    was = {
        "seed": 0,
        "recipe": {"lr": 0.1, "batch": 16},
        "engine": "torch",
        "threads": 1,
        "data": {"digests": {"a": "1"}},
    }
    is_ = {
        "seed": 0,
        "recipe": {"lr": 0.2, "batch": 16},
        "engine": "torch",
        "threads": 2,
        "data": {"digests": {"a": "2"}},
    }
    require_same(was, was, Path("runs/x"))
    with pytest.raises(UsageError) as caught:
        require_same(was, is_, Path("runs/x"))
    assert str(caught.value) == (
        "The run of runs/x cannot be resumed, because this has changed: data.digests.a (was 1, is 2); recipe.lr"
        " (was 0.1, is 0.2); threads (was 1, is 2). Restore it, or start a new run."
    )
