"""Reading FlatBuffers, the format of TensorFlow Lite's files, as plain data.

A table begins with the distance back to its vtable, which says how far from the table each field lies; a field that is
not there has its default. Every distance comes from the file, so each read is checked against the end of it.

The format: https://flatbuffers.dev/internals
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST, LONGEST, LONGEST_TEXT = 20_000, 1 << 16, 200
"""Tables in one vector, numbers in one unless more are expected, and characters that are kept of a string: any number
of tables may lead to the same ones."""


@dataclass(frozen=True)
class FlatTable:
    """A table at a place of a file; struct.error or ValueError from any read that would leave the file."""

    content: bytes
    at: int

    def number(self, field: int, kind: str = "i", default: float = 0) -> Any:
        """A number of `struct`'s kind."""
        place = self._place(field)
        return self._read(place, kind) if place else default

    def table(self, field: int) -> "FlatTable | None":
        """The table that a field leads to."""
        place = self._place(field)
        return FlatTable(self.content, place + self._read(place, "I")) if place else None

    def tables(self, field: int) -> "list[FlatTable]":
        """The tables of a vector."""
        begin, count = self._vector(field)
        if count > MOST:
            raise ValueError(f"{count} tables in a vector")
        places = range(begin, begin + 4 * count, 4)
        return [FlatTable(self.content, place + self._read(place, "I")) for place in places]

    def numbers(self, field: int, kind: str, most: int = LONGEST) -> np.ndarray[Any, Any]:
        """The numbers of a vector, of NumPy's kind."""
        begin, count = self._vector(field)
        if count > most:
            raise ValueError(f"{count} numbers in a vector")
        return np.frombuffer(self.content, np.dtype(kind).newbyteorder("<"), count, begin)

    def text(self, field: int) -> str:
        """A string, or the beginning of a long one."""
        return self.numbers(field, "u1")[:LONGEST_TEXT].tobytes().decode("utf-8", "replace")

    def _vector(self, field: int) -> tuple[int, int]:
        """Where the parts of a vector begin, and how many there are."""
        place = self._place(field)
        if not place:
            return 0, 0
        begin = place + self._read(place, "I")
        return begin + 4, self._read(begin, "I")

    def _place(self, field: int) -> int:
        """Where a field lies; 0 where it is not there."""
        vtable = self.at - self._read(self.at, "i")
        entry = 4 + 2 * field
        offset = self._read(vtable + entry, "H") if entry + 2 <= self._read(vtable, "H") else 0
        return self.at + offset if offset else 0

    def _read(self, at: int, kind: str) -> Any:
        if at < 0:
            raise ValueError("before the beginning")
        return struct.unpack_from(f"<{kind}", self.content, at)[0]


def root(content: bytes) -> FlatTable:
    """The first table of a file."""
    return FlatTable(content, int(struct.unpack_from("<I", content, 0)[0]))
