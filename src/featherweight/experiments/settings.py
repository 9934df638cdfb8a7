"""Nested settings, flattened to dotted names. Needs no torch."""

from typing import Any


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
