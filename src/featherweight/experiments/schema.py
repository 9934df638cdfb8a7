"""Plain data whose ranges stand in their types: checked when it is made, read back from JSON, and stated by `help`.

    lr: Positive = 0.1

A schema is a frozen, keyword-only data class that is `documented` and calls `check` when it is made; msgspec decides
whether a value is of a type. Needs no torch.
"""

import ast
import inspect
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, reduce
from itertools import pairwise
from operator import or_
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta
from typing_extensions import NotRequired, get_type_hints, is_typeddict

from featherweight.errors import UsageError, nearest

T = TypeVar("T")

LARGEST_COUNT = 1 << 40
"""Of images, parameters, multiply-adds. Bounds from here on are named only to those who go beyond them."""
LARGEST_NUMBER = 1e300
MOST_EPOCHS = 200_000
_LATER = "left out of JSON at its default"

Later = Annotated[T, _LATER]
"""A field that older records lack; it is left out of JSON at its default, so that equal recipes stay equal there."""
Share = Annotated[float, Meta(ge=0, le=1)]
BelowOne = Annotated[float, Meta(ge=0, lt=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Positive = Annotated[float, Meta(gt=0, le=LARGEST_NUMBER)]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
OneOrMore = Annotated[float, Meta(ge=1, le=LARGEST_NUMBER)]
Count = Annotated[int, Meta(ge=1, le=LARGEST_COUNT)]
CountOrZero = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
Epochs = Annotated[int, Meta(ge=1, le=MOST_EPOCHS)]
EpochsOrZero = Annotated[int, Meta(ge=0, le=MOST_EPOCHS)]
Seed = Annotated[int, Meta(ge=0, le=1 << 62)]
LONGEST_NAME = 255
"""Characters in the name of a data set or a class."""
Text = Annotated[str, Meta(max_length=LONGEST_NAME)]


def check_fields(value: Any, where: str = "") -> None:
    """Raise UsageError, naming the field, what is allowed and what was given, unless every field is of its type."""
    for name, kind in kinds(type(value)).items():
        check_value(getattr(value, name), kind, f"{where or type(value).__name__}.{name}")


def check_value(value: Any, kind: Any, where: str) -> None:
    """Raise UsageError unless the value, found at `where`, is of the type. Of a list or a table, the part is named."""
    if _fits(value, kind):
        return
    for part, its_kind, step in _parts(value, bare(kind)):
        check_value(part, its_kind, f"{where}{step}")
    if get_origin(bare(kind)) is Literal and isinstance(value, str):
        require_known(where.rpartition(".")[2], value, [str(one) for one in get_args(bare(kind))])
    huge = isinstance(value, int | float) and abs(value) >= LARGEST_COUNT
    raise UsageError(f"{where} must be {allowed(kind, whole=huge)}; given {value!r:.60}.")


def _parts(value: Any, kind: Any) -> Iterator[tuple[Any, Any, str]]:
    """What a list or a table holds, with the type that each part should have, and where it is in there."""
    if is_typeddict(kind) and isinstance(value, dict):
        for name, inner in get_type_hints(kind, include_extras=True).items():
            require(name in value or name not in kind.__required_keys__, f"{name} is missing among {[*value]!r:.60}.")
            optional: Any = get_origin(inner)
            if name in value:
                yield value[name], get_args(inner)[0] if optional is NotRequired else inner, f".{name}"
    elif get_origin(kind) is dict and isinstance(value, dict):
        yield from ((name, get_args(kind)[0], ", a name") for name in value)
        yield from ((part, get_args(kind)[1], f".{name}") for name, part in value.items())
    elif get_origin(kind) is tuple and isinstance(value, list | tuple):
        each = get_args(kind)
        if each[-1] is ... or len(each) == len(value):
            yield from ((part, each[0 if each[-1] is ... else at], f"[{at}]") for at, part in enumerate(value))


def _fits(value: Any, kind: Any) -> bool:
    if is_dataclass(kind) and isinstance(kind, type):  # what it holds was checked when it was made
        return isinstance(value, kind)
    if isinstance(value, float):
        value = float(value)  # numpy's numbers are floats of a kind of their own
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def kinds(cls: Any) -> dict[str, Any]:
    """The type of each field of a data class, with its range."""
    return _kinds(cls)


@cache
def _kinds(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}


def _without_none(kind: Any) -> tuple[Any, bool]:
    """A type without None, and whether None was one of its choices."""
    if get_origin(kind) in (Union, UnionType) and type(None) in get_args(kind):
        return reduce(or_, (part for part in get_args(kind) if part is not type(None))), True
    return kind, False


def bare(kind: Any) -> Any:
    """A type without its range and without None.

    >>> bare(Share | None), bare(Count)
    (<class 'float'>, <class 'int'>)
    """
    inner, _ = _without_none(kind)
    return get_args(inner)[0] if get_origin(inner) is Annotated else inner


def allowed(kind: Any, *, whole: bool = False) -> str:
    """What a type allows, in words; with `whole`, bounds so wide that nobody meets them by accident are named as well.

    >>> allowed(Share), allowed(Epochs), allowed(Count | None)
    ('a number from 0 to 1', 'a whole number from 1 to 200,000', 'a whole number, 1 or more, or None')
    >>> allowed(tuple[Count, ...]), allowed(Literal[8, 4, 2, 0])
    ('a list, each a whole number, 1 or more', '8, 4, 2 or 0')
    """
    inner, optional = _without_none(kind)
    if optional:
        return f"{allowed(inner, whole=whole)}, or None"
    if get_origin(inner) is Annotated:
        base, *notes = get_args(inner)
        meta = next((note for note in notes if isinstance(note, Meta)), Meta())
        return allowed(base, whole=whole) + _range(meta, whole)
    if get_origin(inner) is Literal:
        *most, last = map(str, get_args(inner))
        return f"{', '.join(most)} or {last}"
    if get_origin(inner) is tuple:
        each = get_args(inner)
        return f"a list, each {allowed(each[0], whole=whole)}" if each[-1] is ... else f"a list of {len(each)}"
    if get_origin(inner) in (Union, UnionType):
        return "; or ".join(allowed(part, whole=whole) for part in get_args(inner))
    named = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a table"}
    return named.get(get_origin(inner) or inner) or f"an instance of {inner.__name__}"


def _range(meta: Meta, whole: bool) -> str:
    """The range as it follows the name of a kind; of texts and lists, how long they may be."""
    low, high = meta.ge if meta.ge is not None else meta.gt, meta.le if meta.le is not None else meta.lt
    if meta.description is not None:
        return f", {meta.description}"
    if meta.min_length is not None or meta.max_length is not None:
        most = f", at most {meta.max_length:,} long" if meta.max_length is not None else ""
        return f"{most}, not empty" if meta.min_length else most
    if not whole:
        low = None if low is None or low <= -LARGEST_COUNT else low
        high = None if high is None or high >= LARGEST_COUNT else high
    if low is not None and high is not None and meta.gt is None:
        return f" from {_figure(low)} to {'below ' * (meta.lt is not None)}{_figure(high)}"
    words = "" if low is None else f" above {_figure(low)}" if meta.gt is not None else f", {_figure(low)} or more"
    return words if high is None else f"{words}, at most {_figure(high)}"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def require(holds: bool, sentence: str) -> None:
    """Raise UsageError with the sentence unless it holds."""
    if not holds:
        raise UsageError(sentence)


def require_known(what: str, given: str, known: Collection[str], of: str = "") -> None:
    """Raise UsageError unless the name is one of the known; only then is the closest of them looked for."""
    if given not in known:
        raise UsageError(f"Unknown {what} {given!r:.60}{of}; {nearest(str(given), known)}")


def to_plain(value: Any) -> dict[str, Any]:
    """The fields as plain values, nested ones as tables; those that are None or `Later` and at their default are left
    out. A class with `KINDS` is named by its `kind`."""
    named = {cls: kind for kind, cls in getattr(value, "KINDS", {}).items()}
    found: dict[str, Any] = {"kind": named[type(value)]} if named else {}
    for field in fields(value):
        inner, kind = getattr(value, field.name), kinds(type(value))[field.name]
        if inner is None or (_LATER in getattr(kind, "__metadata__", ()) and inner == field.default):
            continue
        listed = isinstance(inner, tuple) and any(map(is_dataclass, inner))
        found[field.name] = tuple(map(to_plain, inner)) if listed else to_plain(inner) if is_dataclass(inner) else inner
    return found


def from_plain(cls: type[T], values: Any, where: str) -> T:
    """The data that `plain` wrote; UsageError for a field that is unknown, missing or out of range."""
    require(isinstance(values, Mapping), f"{where} must be a table of settings; given {values!r:.60}.")
    if named := getattr(cls, "KINDS", {}):
        values = dict(values)
        require("kind" in values, f"{where} lacks kind.")
        kind = values.pop("kind")
        require_known(where.rpartition(".")[2], kind, named)
        cls = named[kind]
    for name in values:
        require_known("field", name, kinds(cls), f" of {where}")
    for field in fields(cls):  # type: ignore[arg-type]  # nested data are always written
        require(field.default is not MISSING or field.name in values, f"{where} lacks {field.name}.")
    return cls(**{name: _field_value(kinds(cls)[name], value, f"{where}.{name}") for name, value in values.items()})


def _field_value(kind: Any, value: Any, where: str) -> Any:
    """The value of a field as its type has it: tables as nested data, lists as tuples."""
    inner = bare(kind)
    if isinstance(value, list | tuple):
        each = get_args(inner)[0] if get_origin(inner) is tuple else None
        return tuple(_field_value(each, one, f"{where}[{at}]") for at, one in enumerate(value))
    nested = isinstance(inner, type) and is_dataclass(inner) and value is not None
    return from_plain(inner, value, where) if nested else value


def dotted_names(cls: type, name: str) -> Iterator[str]:
    """The dotted names of all fields, those of nested data instead of the data's own; of a class with `KINDS`, itself
    and those of each kind."""
    for kind in (cls, *getattr(cls, "KINDS", {}).values()):
        for own, type_ in kinds(kind).items():
            inner = bare(type_)
            if not is_dataclass(inner) or hasattr(inner, "KINDS"):
                yield f"{name}.{own}"
            if is_dataclass(inner):
                yield from dict.fromkeys(dotted_names(inner, f"{name}.{own}"))  # type: ignore[arg-type]


def documented(cls: type[T]) -> type[T]:
    """The data class, whose docstring goes on with its fields: what each allows, its default, and its own docstring.
    Its signature names types alone."""
    cls.__doc__ = _Documentation(cls.__doc__ or "")  # type: ignore[assignment]
    annotations = cls.__init__.__annotations__
    annotations |= {name: _without_range(kind) for name, kind in annotations.items()}
    return cls


def _without_range(kind: Any) -> Any:
    base = tuple if get_origin(bare(kind)) is tuple else bare(kind)
    return base | None if _without_none(kind)[1] else base


class _Documentation:
    """A docstring that is completed when it is read, since that takes the source."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: object, owner: type) -> str:
        return f"{inspect.cleandoc(self.text)}\n\nFields:\n\n{chr(10).join(_field_lines(owner))}\n"


def _field_lines(cls: type) -> Iterator[str]:
    texts = _field_docstrings(cls)
    for field in fields(cls):
        made = getattr(field.default_factory, "__name__", "")  # of a default that is made anew each time
        ends = f"default {made}()" if made else "required" if field.default is MISSING else f"default {field.default!r}"
        text = f"- `{field.name}`: {allowed(kinds(cls)[field.name])} ({ends}). {texts.get(field.name, '')}"
        yield textwrap.fill(text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _field_docstrings(cls: type) -> dict[str, str]:
    """The text that follows each field in the source, as one line; empty where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        except (OSError, SyntaxError):
            continue
        for node, after in pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[ast.unparse(node.target)] = " ".join(str(after.value.value).split())
    return found
