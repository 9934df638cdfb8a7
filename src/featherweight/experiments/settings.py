"""The settings of an experiment by their dotted names, such as `recipe.lr`, `recipe.augment.rotate_deg`, `budget.held`:
read, changed and compared. Needs no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from featherweight.errors import UsageError, nearest
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import SCHEDULES, Augment, Recipe
from featherweight.experiments.schema import T, bare, dotted_names, from_plain, kinds, require_known
from featherweight.json_files import parse_json


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
            found[name.strip()] = parse_json(text)
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
    tree: dict[str, Any] = {"recipe": {}, "budget": {}}
    for name in sorted(settings, key=lambda name: str(name).count(".")):  # a schedule's kind before its settings
        _put(tree, str(name), settings[name])
    recipe, epochs = experiment.recipe, tree["recipe"].get("epochs")
    if isinstance(epochs, int):
        tree["recipe"].setdefault("plain_epochs", min(recipe.plain_epochs, epochs))
    changed = _with_changes(recipe, tree["recipe"], "recipe")
    return replace(experiment, recipe=changed, budget=_with_changes(experiment.budget, tree["budget"], "budget"))


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    """Add a setting to the tree of changes, with the kind of a schedule as the `kind` in its table."""
    names = [*dict.fromkeys([*dotted_names(Recipe, "recipe"), *dotted_names(Budget, "budget")])]
    inside = [one for one in names if one.startswith(f"{name}.")]
    if name in tree or (name not in names and not inside):
        raise UsageError(f"Unknown setting {name!r:.60}; {nearest(name, names)}")
    *path, last = name.split(".")
    for step in path:
        tree[step] = tree.get(step) or {}
        tree = tree[step]
    if name in names and inside:
        tree[last] = {"kind": value}
    elif inside and value is not None:
        raise UsageError(f"{name} has settings of its own, such as {inside[0]}; name one of them.")
    else:
        tree[last] = value


def _with_changes(old: T, changes: Mapping[str, Any], where: str) -> T:
    """The data with these fields changed, nested ones likewise; what is not there yet begins at its defaults."""
    if "kind" in changes and (named := getattr(old, "KINDS", {})):
        require_known(where.rpartition(".")[2], changes["kind"], named)
        if named[changes["kind"]] is not type(old):
            return from_plain(type(old), changes, where)
    new = {}
    for name, value in changes.items():
        if name == "kind":
            continue
        require_known("setting", name, kinds(type(old)), f" of {where}, which is {type(old).__name__}")
        kind, inner = kinds(type(old))[name], getattr(old, name)
        if isinstance(value, dict):
            step = f"{where}.{name}"
            new[name] = from_plain(bare(kind), value, step) if inner is None else _with_changes(inner, value, step)
        elif isinstance(value, float) and value.is_integer() and bare(kind) is int:
            new[name] = int(value)
        else:
            new[name] = tuple(value) if isinstance(value, list) else value
    return replace(old, **new)  # type: ignore[type-var]


def changes(experiment: Experiment, before: Experiment) -> list[str]:
    """Each setting of recipe and budget that has another value, as a part of a sentence.

    >>> from featherweight.experiments.experiment import find
    >>> changes(overridden(find("f3"), {"recipe.batch": 32, "budget.accuracy": 99}), find("f3"))
    ['`batch` 64 → 32', '`budget.accuracy` 99.4 → 99']
    """
    return [*recipe_changes(experiment.recipe, before.recipe), *budget_changes(experiment.budget, before.budget)]


def budget_changes(budget: Budget, before: Budget) -> list[str]:
    """One phrase per limit or target that changed.

    >>> budget_changes(Budget(accuracy=99, macs=9_000), Budget())
    ['`budget.accuracy` 99.4 → 99', '`budget.macs` None → 9000']
    """
    now, was = asdict(budget), asdict(before)
    return [
        f"`budget.{name}` {_number_text(was[name])} → {_number_text(now[name])}"
        for name in now
        if now[name] != was[name]
    ]


def _number_text(value: Any) -> Any:
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
            news, olds = asdict(recipe.augment), asdict(before.augment)
            parts = [part for part in news if news[part] != olds[part]]
            found += [f"`augment.{part}` {olds[part]} → {news[part]}" for part in parts]
        elif now.get(name) != was.get(name):
            text_of = _schedule if name == "schedule" else _setting
            old, new = (text_of(side.get(name)) for side in (was, now))
            found.append(f"`{name}` {old} → {new}")
    return found


def _setting(value: Any) -> Any:
    """The value itself; a dictionary as one line of text."""
    if not isinstance(value, dict):
        return value
    unchanged = Augment().to_json()  # of a second set of changes, only those that are on are named
    return ", ".join(
        f"{name} {part}" for name, part in value.items() if name not in unchanged or part != unchanged[name]
    )


def _schedule(values: Any) -> str:
    """The schedule's kind, with the settings that are specific to it or not at their defaults."""
    inherited = SCHEDULES["constant"]()
    own = {name: value for name, value in values.items() if name != "kind"}
    changed = [f"{name} {value}" for name, value in own.items() if getattr(inherited, name, None) != value]
    return f"{values['kind']} ({', '.join(changed)})" if changed else str(values["kind"])
