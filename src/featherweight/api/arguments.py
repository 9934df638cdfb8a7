"""Arguments of the public functions: each of its kind and finite, or one sentence that names it."""

import math
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

from featherweight.errors import UsageError

WORDS = {Integral: "whole number", Real: "number", str: "str", dict: "dict", tuple: "tuple", Path: "path"}


def require_kinds(**arguments: tuple[Any, Any]) -> None:
    """Raise UsageError for the first argument that is not of its kind; True is no number, and no number is infinite."""
    for name, (value, kind) in arguments.items():
        wanted = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        truth = isinstance(value, bool) and bool not in wanted
        infinite = isinstance(value, Real) and not math.isfinite(value)
        if truth or infinite or not isinstance(value, wanted):
            words = dict.fromkeys(WORDS.get(one, one.__name__) for one in wanted if one is not NoneType)
            raise UsageError(f"`{name}` is a {' or a '.join(words)}; given {value!r:.60}.")


def require_function(name: str, value: Any) -> None:
    """Raise UsageError unless the argument is None or can be called."""
    if value is not None and not callable(value):
        raise UsageError(f"`{name}` is a function; given {value!r:.60}.")
