"""The one reader of JSON from outside: a regular file of limited size, UTF-8, limited depth, a schema with its ranges.

What this package writes for itself, such as records, a search's notes and the ledger, is read back here, since others
may have changed it. A schema is a type that msgspec knows, its ranges in `Annotated`.
"""

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from featherweight.errors import FileError
from featherweight.escape import printable

Kind = TypeVar("Kind")

DEEPEST = 16
"""Lists within lists that JSON from outside may have; what is written here has 5."""
LARGEST_INTEGER = 1 << 62
LONGEST_TEXT = 1 << 14
"""Characters of one text in it; a path has at most 4,096."""
LARGEST = 1 << 22
"""Bytes of a file, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Schema(Generic[Kind]):
    """What a file must hold, and what to say of one that does not."""

    kind: type[Kind]
    what: str
    """As it follows "is not": "the record of a run"."""
    advice: str
    """What to do: "give a run folder"."""
    most: int = LARGEST
    """Bytes."""
    longest: int = LONGEST_TEXT
    """Characters of one text."""
    modern: Callable[[Any], Any] = lambda values: values
    """Brings what an earlier version wrote to the names of today; may raise KeyError, TypeError or AttributeError."""

    def read(self, path: Path) -> Kind:
        """What this file holds; FileError for anything else, at once and however large it is."""
        return self.parse(read_regular(path, self.most), printable(path))

    def read_lines(self, path: Path) -> Iterator[tuple[int, Kind]]:
        """What each line of this file holds, with its number from 1 on."""
        for number, line in enumerate(read_regular(path, self.most).splitlines(), 1):
            yield number, self.parse(line, f"Line {number} of {printable(path)}")

    def parse(self, content: bytes | str, where: str) -> Kind:
        """What this text, found at `where`, holds; FileError for anything else."""
        try:
            return self.check(parse_json(content, longest=self.longest), where)
        except ValueError as problem:
            raise self.refusal(where, str(problem)) from problem

    def check(self, values: Any, where: str) -> Kind:
        """What these plain values, found at `where`, are; FileError for others."""
        import msgspec

        try:
            return msgspec.convert(self.modern(values), self.kind, strict=True)
        except FileError as problem:  # of a schema that checks more than types
            raise self.refusal(where, str(problem)) from problem
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            reason = f"it lacks {problem}" if isinstance(problem, KeyError) else str(problem)
            raise self.refusal(where, reason) from problem

    def refusal(self, where: str, reason: str) -> FileError:
        """That what was found there is not what it should be."""
        return FileError(f"{where} is not {self.what} ({printable(reason).rstrip('.'):.300}); {self.advice}.")


def digest_of(values: Mapping[str, Any]) -> str:
    """The SHA-256 of plain values without their `digest`, whatever their order and spacing in a file."""
    kept = {name: value for name, value in values.items() if name != "digest"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of up to `most` bytes; FileError for anything else, without waiting for a pipe."""
    name = printable(path)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            fits = stat.S_ISREG(about.st_mode) and about.st_size <= most
            content = file.read(most + 1) if fits else None
    except (OSError, ValueError) as problem:  # ValueError for a path that no file can have
        raise FileError(f"{name} cannot be read ({getattr(problem, 'strerror', problem)}).") from problem
    if content is None or len(content) > most:
        raise FileError(f"{name} must be a regular file of up to {most:,} bytes; it is not.")
    return content


def parse_json(text: str | bytes, *, longest: int = LONGEST_TEXT) -> Any:
    """The values in JSON from outside; ValueError where they are not what anybody here would have written.

    Refused beside what is no JSON: numbers that are infinite, not numbers or beyond 2^62, lists more than 16 deep, a
    name that comes twice, texts of more than `longest` characters or with halves of surrogate pairs, which no file and
    no terminal takes, and bytes that are not UTF-8.

    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    try:
        values = json.loads(text, parse_constant=_no_number, parse_int=_integer, object_pairs_hook=_once)
    except RecursionError as problem:
        raise ValueError("it has lists within lists without end") from problem
    _require_plain(values, DEEPEST, longest)
    return values


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"{text[:20]}... is too large a number" if len(text) > 20 else f"{text} is too large a number")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _require_plain(value: Any, deep: int, longest: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, str):
        if len(value) > longest:
            raise ValueError(f"a text has {len(value):,} characters, and at most {longest:,} are read")
        value.encode("utf-8")  # UnicodeEncodeError, a ValueError, for halves of surrogate pairs
    elif isinstance(value, list | dict):
        if not deep:
            raise ValueError(f"it has lists within lists, more than {DEEPEST} deep")
        for name, inner in value.items() if isinstance(value, dict) else ((None, each) for each in value):
            _require_plain(name, 0, longest)
            _require_plain(inner, deep - 1, longest)
