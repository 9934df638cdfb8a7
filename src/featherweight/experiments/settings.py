"""Nested settings by their dotted names, and the changes between two recipes or budgets. Needs no torch."""

from dataclasses import asdict
from typing import Any

from featherweight.experiments.augmentation import LATER
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import SCHEDULES, Recipe


def flatten(values: Any, name: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries by dotted name; lists are leaves.

    >>> flatten({"seed": 0, "recipe": {"lr": 0.1, "schedule": {"kind": "multi_step", "at_epochs": [5, 9]}}})
    {'seed': 0, 'recipe.lr': 0.1, 'recipe.schedule.kind': 'multi_step', 'recipe.schedule.at_epochs': [5, 9]}
    """
    if not isinstance(values, dict):
        return {name: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flatten(value, f"{name}.{key}" if name else str(key))
    return found


def budget_changes(budget: Budget, before: Budget) -> list[str]:
    """One phrase per limit or target that changed.

    >>> budget_changes(Budget(accuracy=99, macs=9_000), Budget())
    ['`budget.accuracy` 99.4 → 99', '`budget.macs` None → 9000']
    """
    now, was = asdict(budget), asdict(before)
    return [f"`budget.{name}` {_plain(was[name])} → {_plain(now[name])}" for name in now if now[name] != was[name]]


def _plain(value: Any) -> Any:
    """30, whether it was given as 30 or 30.0."""
    return f"{value:g}" if isinstance(value, float) else value


def recipe_changes(recipe: Recipe, before: Recipe) -> list[str]:
    """One phrase per recipe field whose value changed.

    >>> from featherweight.experiments.recipe import Augment, HardExamples, Step
    >>> recipe_changes(Recipe(lr=0.3, augment=Augment(crop=0.1), schedule=Step(every_epochs=5)), Recipe())
    ['`lr` 0.1 → 0.3', '`schedule` constant → step (every_epochs 5, factor 0.1)', '`augment.crop` 0.0 → 0.1']
    >>> recipe_changes(Recipe(hard=HardExamples(factor=5)), Recipe())
    ['`hard` None → factor 5, loss 0.1']
    """
    found = []
    now, was = recipe.to_json(), before.to_json()
    for name in [*now, *(name for name in was if name not in now)]:
        if name == "augment":
            news, olds = LATER | now[name], LATER | was[name]
            parts = [part for part in asdict(recipe.augment) if news[part] != olds[part]]
            found += [f"`augment.{part}` {olds[part]} → {news[part]}" for part in parts]
        elif now.get(name) != was.get(name):
            told = _schedule if name == "schedule" else _setting
            old, new = (told(side.get(name)) for side in (was, now))
            found.append(f"`{name}` {old} → {new}")
    return found


def _setting(value: Any) -> Any:
    """The value itself; a dictionary as one line of text."""
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else value


def _schedule(values: Any) -> str:
    """The schedule's kind, with the settings that are specific to it or not at their defaults."""
    inherited = SCHEDULES["constant"]()
    own = {name: value for name, value in values.items() if name != "kind"}
    said = [f"{name} {value}" for name, value in own.items() if getattr(inherited, name, None) != value]
    return f"{values['kind']} ({', '.join(said)})" if said else str(values["kind"])
