"""What the fields of a record may be: type, range and length of each, checked before anything is made of them.

A record may come from anybody. Its sizes decide what is allocated, its texts end up in pages, programs and tables; so
nothing of it is used that no run of this program could have written.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

MOST_CHANNELS = 256
LONGEST_SIDE = 1024
"""Pixels; images of 1 x 28 x 28 are what this is for."""
MOST_NUMBERS = 1 << 21
"""In one image: 8 MB as floats."""
MOST_CLASSES = 4096
MOST_EPOCHS = 2000
COUNT = (0, 1 << 40)
"""Of images, parameters, multiply-adds."""
PERCENT = (0.0, 100.0)
SECONDS = (0.0, 1e12)
_HIGHEST = 1 << 40


def text(value: Any, name: str, longest: int = 255) -> None:
    """Raise TypeError or ValueError unless this is a text of at most so many characters."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r:.60}, which is not text")
    if len(value) > longest:
        raise ValueError(f"{name} has {len(value):,} characters, where at most {longest:,} are read")


def whole(value: Any, name: str, low: int = 0, high: int = COUNT[1]) -> None:
    """Raise TypeError or ValueError unless this is a whole number in the range."""
    if type(value) is not int:
        raise TypeError(f"{name} is {value!r:.60}, which is not a whole number")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:,}, where {low:,} to {high:,} are allowed")


def number(value: Any, name: str, low: float, high: float) -> None:
    """Raise TypeError or ValueError unless this is a finite number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r:.60}, which is not a number")
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value}, where {low:g} to {high:g} are allowed")


def listed(value: Any, name: str, low: int, high: int) -> Sequence[Any]:
    """The list; TypeError or ValueError unless it is one of so many entries."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"{name} is {value!r:.60}, which is not a list")
    if not low <= len(value) <= high:
        raise ValueError(f"{name} has {len(value):,} entries, where {low:,} to {high:,} are allowed")
    return value


def require_data(about: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError unless this can be said of a data set."""
    text(about["name"], "data.name")
    text(about["source"], "data.source", 4096)
    whole(about["train"], "data.train", low=1)
    for name in ("test", "holdout"):
        whole(about[name], f"data.{name}")
    whole(about["seed"], "data.seed", high=1 << 62)
    channels = MOST_CHANNELS
    if "shape" in about:
        sides = listed(about["shape"], "data.shape", 3, 3)
        for side, name, high in zip(sides, ("channels", "height", "width"), (MOST_CHANNELS, LONGEST_SIDE, LONGEST_SIDE),
                                    strict=True):  # fmt: skip
            whole(side, f"data.shape, {name}", 1, high)
        if math.prod(sides) > MOST_NUMBERS:
            raise ValueError(f"data.shape has {math.prod(sides):,} numbers, and at most {MOST_NUMBERS:,} are read")
        channels = sides[0]
    if "classes" in about:
        for name in listed(about["classes"], "data.classes", 1, MOST_CLASSES):
            text(name, "a class's name")
    for name, low in (("mean", 0.0), ("std", 1e-6)):
        if name in about:
            for value in listed(about[name], f"data.{name}", channels if "shape" in about else 1, channels):
                number(value, f"data.{name}", low, 1.0)
    require_plain(about.get("digests") or {}, "data.digests")


def require_plain(values: Any, name: str) -> None:
    """Raise TypeError or ValueError unless this is a short table of texts, numbers, yes and no."""
    if not isinstance(values, dict):
        raise TypeError(f"{name} is {values!r:.60}, which is not a table")
    if len(values) > 100:
        raise ValueError(f"{name} has {len(values):,} entries, where 100 are allowed")
    for key, value in values.items():
        text(key, f"a name in {name}")
        if isinstance(value, str):
            text(value, f"{name}.{key}", 1000)
        elif value is not None and not isinstance(value, bool):
            number(value, f"{name}.{key}", -float(1 << 62), float(1 << 62))


def require_kinds(value: Any, name: str) -> None:
    """Raise TypeError or ValueError unless each field of a data class is of the kind that the class says.

    Counts are whole and at most 2^40; anything that could be repeated for ever (epochs) has a lower limit of its own.

    >>> from featherweight.experiments.budget import Budget
    >>> require_kinds(Budget(held=2.5), "budget")
    Traceback (most recent call last):
    TypeError: budget.held is 2.5, which is not a whole number
    """
    for field in fields(value):
        inner, called, kind = getattr(value, field.name), f"{name}.{field.name}", str(field.type)
        if is_dataclass(inner):
            require_kinds(inner, called)
        elif inner is None:
            continue
        elif isinstance(inner, tuple | list):
            for one in listed(inner, called, 0, 1000):
                whole(one, called)
        elif field.type is bool and type(inner) is not bool:
            raise TypeError(f"{called} is {inner!r:.60}, which is neither true nor false")
        elif field.type is int or kind.startswith("int"):
            whole(inner, called, high=MOST_EPOCHS * 100 if "epochs" in field.name else _HIGHEST)
        elif field.type is float or kind.startswith("float"):
            number(inner, called, -1e12, 1e12)
        elif field.type is str:
            text(inner, called)
