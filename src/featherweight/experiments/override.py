"""An experiment with some of its settings changed by name: `recipe.lr`, `recipe.augment.rotate_deg`, `budget.held`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from featherweight.errors import UsageError, nearest
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import SCHEDULES, Augment, Distil, HardExamples, Recipe
from featherweight.experiments.settings import budget_changes, recipe_changes

_OPTIONAL = ("distil", "hard")
"""Parts of a recipe that are not there unless asked for."""


def parsed(words: Iterable[str]) -> dict[str, Any]:
    """Settings written as `recipe.FIELD=VALUE` or `budget.FIELD=VALUE`; a VALUE is a number, true, null or a word.

    >>> parsed(["recipe.lr=0.2", "recipe.schedule=one_cycle", "budget.macs=null"])
    {'recipe.lr': 0.2, 'recipe.schedule': 'one_cycle', 'budget.macs': None}
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set takes FIELD=VALUE, such as recipe.augment.rotate_deg=5; given {word!r:.60}.")
        try:
            found[name.strip()] = json.loads(text)
        except ValueError:
            found[name.strip()] = text.strip()
    return found


def overridden(experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """The experiment with these settings, by their dotted names; UsageError for one that does not exist or fit.

    >>> from featherweight.experiments.experiment import find
    >>> changed = overridden(find("f3"), {"recipe.augment.rotate_deg": 3, "budget.held": 1})
    >>> changed.recipe.augment.rotate_deg, changed.budget.held
    (3, 1)
    """
    whole = experiment.recipe.to_json() | {"augment": asdict(experiment.recipe.augment)}  # what is off included
    parts: dict[str, Any] = {"recipe": whole, "budget": asdict(experiment.budget)}
    for name in sorted(settings, key=lambda name: name.count(".")):  # a schedule's kind before its settings
        _put(parts, name, settings[name])
    if "recipe.epochs" in settings and "recipe.plain_epochs" not in settings:
        parts["recipe"]["plain_epochs"] = min(parts["recipe"]["plain_epochs"], int(settings["recipe.epochs"]))
    try:
        budget = replace(experiment.budget, **parts["budget"])
        return replace(experiment, recipe=Recipe.from_json(parts["recipe"]), budget=budget)
    except (TypeError, ValueError) as problem:
        given = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise UsageError(f"The settings {given} do not fit: {problem}.") from problem


def _put(parts: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    place: Any = parts
    for depth, step in enumerate(path):
        if step in _OPTIONAL and isinstance(place, dict) and not place.get(step) and path[:depth] == ["recipe"]:
            place[step] = asdict(Distil(teacher="") if step == "distil" else HardExamples())
        place = place.get(step) if isinstance(place, dict) else None
    known = _known(path, place)
    if not isinstance(place, dict) or last not in known or not path:
        raise UsageError(f"Unknown setting {name!r:.60}; {nearest(name, [*_names(parts)])}")
    if name == "recipe.schedule":
        if value not in SCHEDULES:
            raise UsageError(f"Unknown schedule {value!r:.60}; {nearest(str(value), SCHEDULES)}")
        place[last] = {"kind": value, **({} if value != place[last]["kind"] else place[last])}
        return
    if isinstance(place.get(last), dict) and value is not None:
        raise UsageError(f"{name} has settings of its own, such as {name}.{next(iter(place[last]))}; name one of them.")
    _require_kind(name, place.get(last), value)
    place[last] = value


def _known(path: list[str], place: Any) -> set[str]:
    if path == ["recipe"]:
        return {field.name for field in fields(Recipe)}
    if path == ["recipe", "augment"]:  # those that are switched off may be left out
        return {field.name for field in fields(Augment)}
    if path == ["recipe", "distil"]:
        return {field.name for field in fields(Distil)}
    if path == ["recipe", "schedule"] and isinstance(place, dict):
        return {field.name for field in fields(SCHEDULES[place["kind"]])}
    return set(place) if isinstance(place, dict) else set()


def _names(parts: dict[str, Any]) -> Iterable[str]:
    yield from (f"recipe.{field.name}" for field in fields(Recipe) if field.name not in ("augment", *_OPTIONAL))
    yield from (f"recipe.augment.{field.name}" for field in fields(Augment))
    yield from (f"budget.{name}" for name in parts["budget"])


def _require_kind(name: str, before: Any, value: Any) -> None:
    """Raise UsageError where a number stands for a word, or the other way round."""
    numbers = (int, float)
    fits = before is None or value is None or isinstance(value, type(before)) or isinstance(before, list | tuple)
    if type(before) in numbers and type(value) in numbers:
        fits = isinstance(before, float) or float(value).is_integer() or name.startswith("recipe.augment")
    if not fits:
        raise UsageError(f"{name} is {before!r:.60} and cannot become {value!r:.60}.")


def changes(experiment: Experiment, before: Experiment) -> list[str]:
    """Each setting of recipe and budget that has another value, as a part of a sentence.

    >>> from featherweight.experiments.experiment import find
    >>> changes(overridden(find("f3"), {"recipe.batch": 32, "budget.accuracy": 99}), find("f3"))
    ['`batch` 64 → 32', '`budget.accuracy` 99.4 → 99']
    """
    return [*recipe_changes(experiment.recipe, before.recipe), *budget_changes(experiment.budget, before.budget)]
