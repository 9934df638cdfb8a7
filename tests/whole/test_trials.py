"""Trials: each is what its file defines, and trains without what it is judged on."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import sixths
from benchmarks.sixths import held_out_sixth
from benchmarks.trials import cifar, fashion, ideas, preprocessing, separable, smaller, wider
from torch import nn

from featherweight import data as datasets
from featherweight.data.dataset import Data
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.networks.anatomy import dissect

ROOT = Path(__file__).parents[2]


DEFINED = {"separable": separable, "ideas": ideas, "fashion": fashion, "wider": wider, "smaller": smaller,
           "preprocessing": preprocessing, "cifar": cifar}  # fmt: skip
PARTLY = ("preprocessing", "cifar")
"""Of these, not every trial and seed has run."""


@pytest.mark.parametrize("file", DEFINED)
def test_what_has_run_is_what_its_file_defines(file: str) -> None:
    found = json.loads((ROOT / "results" / "trials" / f"{file}.json").read_text())
    trials: dict[str, sixths.Trial] = DEFINED[file].TRIALS
    every = [(name, one.title, seed) for name, one in trials.items() for seed in range(one.seeds)]
    ran = [(run["trial"], run["title"], run["seed"]) for run in found]
    assert ran == every if file not in PARTLY else ran and set(ran) <= set(every)
    shape = (3, 32, 32) if file == "cifar" else (1, 28, 28)
    for name in dict.fromkeys(run["trial"] for run in found):
        anatomy = dissect(trials[name].network(), shape)
        costs = {(run["parameters"], run["macs"], run["record"]) for run in found if run["trial"] == name}
        assert costs == {(anatomy.parameters, anatomy.macs, trials[name].record)}


def test_a_trial_holds_out_digits_that_stand_in_a_row_in_each_class() -> None:
    labels = torch.tensor([0, 1, 1] * 12)
    parts = [held_out_sixth(labels, number) for number in range(6)]
    assert torch.stack(parts).sum(0).eq(1).all()  # each digit once
    assert parts[1].nonzero().flatten().tolist() == [6, 7, 8, 9, 10, 11]


def test_a_trial_trains_without_its_sixth(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,437 digits, of each class a sixth rounded down at both ends: 1,198 are trained on and 239 held out."""
    monkeypatch.setattr(sixths, "_whole", lambda name: datasets.load("digits"))
    network = next(iter(ideas.TRIALS.values())).network
    trial = sixths.Trial(record="r", network=network, recipe=Recipe(epochs=2, lr=0.05, batch=64))
    row = sixths.run("t", trial, 1)
    data = sixths.without_sixth(1)
    assert (row["seed"], row["block"], row["parameters"]) == (1, 1, 3366)
    assert len(data.train) + len(data.test) == 1437 and abs(len(data.test) - 1437 / 6) <= 5
    assert 100 >= row["last"] >= row["worst"] > 15 and row["train"] > 15  # chance is 10
    assert sixths.run("t", trial, 1) == row


def test_a_trial_s_teachers_and_last_step_have_their_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sixths, "_whole", lambda name: datasets.load("digits"))
    network = next(iter(ideas.TRIALS.values())).network
    alone = sixths.Trial(record="r", network=network, recipe=Recipe(epochs=2, lr=0.05, batch=64))
    distil = Distil(teacher="f3", share=0.9, temperature=2)
    taught = replace(alone, recipe=replace(alone.recipe, distil=distil), teachers=(alone,))
    plain = sixths.run("t", alone, 0)
    assert sixths.run("t", taught, 0)["loss"] != plain["loss"]

    def forget(kept: nn.Module, data: Data) -> None:
        for parameter in kept.parameters():
            parameter.data.zero_()

    forgotten = sixths.run("t", replace(alone, after=forget), 0)
    # All scores are equal: log 10 in nats, and what is answered is 0.
    assert forgotten["loss"] == pytest.approx(math.log(10), abs=1e-5)
    zeros = sixths.without_sixth(0).test.labels.eq(0).float().mean().item()
    assert forgotten["last"] == pytest.approx(100 * zeros, abs=0.01)


def test_a_candidate_is_told_by_its_paired_difference_to_the_record_itself() -> None:
    own, better = [99.50, 99.40, 99.45, 99.35, 99.55, 99.42], [99.54, 99.43, 99.47, 99.36, 99.60, 99.45]
    rows = [
        {"record": "f3", "trial": trial, "seed": seed, "last": last}
        for trial, values in (("f3", own), ("wide", better), ("short", [99.60, 99.30, 99.45]), ("alone", [99.9]))
        for seed, last in enumerate(values)
    ]
    # Differences 0.04, 0.03, 0.02, 0.01, 0.05, 0.03: mean 0.03, deviation √0.0002; 2.5706 x 0.01414 / √6 = 0.01484.
    # Of three, 0.10, -0.10 and 0: deviation 0.1; 4.3027 x 0.1 / √3 = 0.24842.
    assert sixths.differences(rows, {"f3": "f3"}) == [
        "wide against f3: +0.030 points (95 % interval +0.015 to +0.045, 6 sixths): better",
        "short against f3: +0.000 points (95 % interval -0.248 to +0.248, 3 sixths): undecided;"
        " 6 sixths or more are needed to choose",
    ]
    assert sixths.differences(rows, {}) == []


def test_the_record_itself_is_known_among_the_trials() -> None:
    f3 = sixths.itself("f3")
    assert (f3.record, f3.seeds) == ("f3", 6)
    other = replace(f3, recipe=replace(f3.recipe, lr=0.3))
    assert sixths.own_of({"other": other, "own": f3, "again": f3}) == {"f3": "own"}
    assert sixths.own_of({"other": other}) == {}
