"""Settings by name: every field of a recipe and a budget, and what is none."""

from dataclasses import fields
from typing import Any

import pytest

import featherweight as fw
from featherweight.errors import UsageError
from featherweight.experiments.settings import changes, overridden, parsed
from featherweight.networks.checks import fingerprint
from made import record


def changed(**settings: Any) -> fw.Experiment:
    return overridden(fw.find("f3"), {name.replace("__", "."): value for name, value in settings.items()})


def test_every_field_of_the_augmentation_can_be_set() -> None:
    names = [field.name for field in fields(fw.Augment)]
    assert len(names) > 8
    base = fw.find("a1")  # which changes no images
    for name in names:
        special = {"elastic_cells": 3, "pad_px": 3, "cutout_px": 3, "border": "reflect", "whole_px": True,
                   "interpolation": "nearest"}  # fmt: skip
        value: Any = special.get(name, 0.25)
        assert getattr(overridden(base, {f"recipe.augment.{name}": value}).recipe.augment, name) == value


def test_fields_of_recipe_and_budget() -> None:
    assert changed(recipe__lr=0.2).recipe.lr == 0.2 and changed(budget__accuracy=99).budget.accuracy == 99
    assert changed(recipe__epochs=1).recipe.epochs == 1 >= changed(recipe__epochs=1).recipe.plain_epochs
    assert changed(budget__macs=9_000).budget.macs == 9_000 and changed(budget__seconds=5).budget.seconds == 5
    assert changed(recipe__schedule="cosine").recipe.schedule == fw.Cosine()
    both = changed(recipe__schedule="step", recipe__schedule__every_epochs=3)
    assert both.recipe.schedule == fw.Step(every_epochs=3)
    assert changed(recipe__hard=None).recipe.hard is None
    assert overridden(fw.find("a1"), {"recipe.hard.factor": 3}).recipe.hard == fw.HardExamples(factor=3)
    assert overridden(fw.find("a1"), {"recipe.distil.teacher": "f3"}).recipe.distil == fw.Distil(teacher="f3")
    assert overridden(fw.find("f3"), {}) == fw.find("f3")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("recipe.lrr", 0.1, "Unknown setting 'recipe.lrr'; did you mean recipe.lr?"),
        ("lr", 0.1, "Unknown setting 'lr'; "),
        ("recipe.augment.spin", 1, "Unknown setting 'recipe.augment.spin'; did you mean recipe.augment"),
        ("network", 1, "Unknown setting 'network'"),
        ("recipe", {}, "Unknown setting 'recipe'"),
        ("recipe.lr.x", 1, "Unknown setting 'recipe.lr.x'"),
        ("recipe.augment", 3, "recipe.augment has settings of its own, such as recipe.augment."),
        ("recipe.lr", "fast", "Recipe.lr must be a number .*given 'fast'"),
        ("recipe.batch", 6.5, "Recipe.batch must be a whole number.*given 6.5"),
        ("recipe.lr", -1, "Recipe.lr must be .* above 0; given -1"),
        ("recipe.schedule", "slow", "Unknown schedule 'slow'; "),
        ("budget.accuracy", 101, "Budget.accuracy must be .* from 0 to 100; given 101"),
        ("recipe.optimizer", "sdg", "Unknown optimizer 'sdg'; did you mean sgd"),
    ],
)
def test_what_is_no_setting_is_said(name: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        overridden(fw.find("f3"), {name: value})


def test_settings_as_they_are_typed() -> None:
    assert parsed(["recipe.lr=1e-2", "recipe.nesterov=false", "recipe.optimizer = adam"]) == {
        "recipe.lr": 0.01, "recipe.nesterov": False, "recipe.optimizer": "adam"
    }  # fmt: skip
    with pytest.raises(UsageError, match="--set takes FIELD=VALUE, such as .*; given 'lr'"):
        parsed(["lr"])


def test_changes_are_told() -> None:
    told = changes(changed(recipe__batch=32, budget__held=2, budget__macs=9), fw.find("f3"))
    assert told == ["`batch` 64 → 32", "`budget.held` 5 → 2", "`budget.macs` None → 9"]


def test_differences_shows_what_a_run_changed() -> None:
    f3, f2 = fw.find("f3"), fw.find("f2")
    mine = changed(recipe__batch=32, budget__held=2)
    assert fw.differences(mine, f3) == ["`batch` 64 → 32", "`budget.held` 5 → 2"]
    assert not any("budget" in one for one in fw.differences(fw.find("a3"), fw.find("a2")))  # each has its own
    ran = record("f3", [99.0], recipe=mine.recipe.to_json(), budget=mine.budget.to_json())
    assert fw.differences(ran, f3) == fw.differences(mine, f3)
    assert fw.differences(f3, ran) == ["`batch` 32 → 64", "`budget.held` 2 → 5"]
    assert fw.differences(ran, f2)[0] == f"network of fingerprint {fingerprint(f2.build())} → {ran.network}"
    assert fw.differences(ran, ran) == []
