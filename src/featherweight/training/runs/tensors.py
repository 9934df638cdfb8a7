"""Tensor files that are validated before use: safetensors with a digest, read within size limits.

The layout is that of safetensors (eight bytes of length, a JSON header, the values), so every reader of that format
can read these files. In addition, the header's metadata holds the SHA-256 of the whole file. Nothing is parsed before
the digest is verified, and nothing is allocated before the declared sizes are checked against file and network.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from featherweight.errors import UsageError
from featherweight.io import parse_json

LARGEST = 1 << 30
"""Maximum size of a file in bytes; a larger one is refused."""
LARGEST_HEADER = 1 << 21
"""Maximum size of the header's JSON in bytes. A hundred layers take about 10,000 and the row of an epoch takes 200;
hostile JSON can need twenty times its length in memory."""
MOST_TENSORS = 4096
CHUNK = 1 << 20
TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""The safetensors value types that may be read, by their names in that format."""
_NAMES = {kind: name for name, kind in TYPES.items()}
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One tensor as declared in a header."""

    kind: torch.dtype
    shape: tuple[int, ...]
    start: int
    """Offset of its values among all values, in bytes."""
    end: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A file with a valid digest and header, whose values have not been read yet."""

    path: Path
    about: dict[str, str]
    """The texts packed with the tensors, by name."""
    entries: dict[str, Entry]
    values_at: int
    """Offset in the file at which the values begin, in bytes."""


def pack(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The bytes of a file, identical for identical tensors and texts; `about` holds texts by name to store with them.

    Raises UsageError if the result exceeds the limits of `open_packed`.

    >>> content = pack({"weight": torch.tensor([1.0, 2.0])}, {"note": "two numbers"})
    >>> len(content), content[-8:].hex()
    (192, '0000803f00000040')
    """
    # Wide values first, so that each tensor is aligned to the width of its values, as safetensors requires.
    ordered = sorted(tensors.items(), key=lambda one: (-one[1].element_size(), one[0]))
    header: dict[str, Any] = {"__metadata__": {**about, "sha256": "0" * 64}}
    values, at = [], 0
    for name, tensor in ordered:
        value = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        place = [at, at + len(value)]
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        values.append(value)
        at = place[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER or len(ordered) > MOST_TENSORS:
        raise UsageError(
            f"{len(ordered):,} tensors and a header of {len(text):,} bytes are more than a file may hold; the limits"
            f" are {MOST_TENSORS:,} tensors and {LARGEST_HEADER:,} bytes. Use fewer epochs or layers."
        )
    content = b"".join([len(text).to_bytes(8, "little"), text, *values])
    found = _DIGEST.search(content)
    assert found is not None
    return content[: found.start(1)] + hashlib.sha256(content).hexdigest().encode() + content[found.end(1) :]


def open_packed(path: Path, key: str) -> Packed:
    """The header of a file whose digest has been verified; a text named `key` must be stored with the tensors.

    Files older than the digest, which hold this text and nothing else besides the tensors, are also read. Raises
    OSError, or ValueError whose message is a clause giving the reason, which callers put into a sentence.
    """
    if not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not there" if not path.exists() else "it is not a file")
    with path.open("rb") as file:
        length = path.stat().st_size
        if length > LARGEST:
            raise ValueError(f"it has {length:,} bytes, where at most {LARGEST:,} are allowed")
        start = file.read(8)
        size = int.from_bytes(start, "little")
        if len(start) < 8 or size > min(LARGEST_HEADER, length - 8):
            raise ValueError(f"a header of {size:,} bytes is declared in a file of {length:,}")
        header = file.read(size)
        marked = _DIGEST.findall(header)
        if len(marked) == 1 and _sum(file, _blank(start + header)) != marked[0].decode():
            raise ValueError("its bytes do not match its digest, so it has changed since it was written")
    about, entries = _parsed(header, length - 8 - size)
    if len(marked) != 1 and set(about) != {key}:
        raise ValueError("it has no digest")
    if key not in about:
        raise ValueError(f"its metadata has no {key!r}")
    return Packed(path=path, about=about, entries=entries, values_at=8 + size)


def whole(path: Path) -> bool:
    """Whether the file exists and matches its digest."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            start = file.read(8)
            start += file.read(min(LARGEST_HEADER, int.from_bytes(start, "little")))
            marked = _DIGEST.findall(start)
            return len(marked) == 1 and _sum(file, _blank(start)) == marked[0].decode()
    except OSError:
        return False


def take(packed: Packed, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, which must have the expected names, shapes and types and hold only finite numbers.

    No values are read before names, shapes and types have been checked. Raises OSError, or ValueError whose message is
    a clause giving the reason.
    """
    missing, extra = sorted(expected.keys() - packed.entries.keys()), sorted(packed.entries.keys() - expected.keys())
    if missing or extra:
        clauses = [f"{words} {_named(names)}" for words, names in (("lacks", missing), ("also holds", extra)) if names]
        raise ValueError(f"it {' and '.join(clauses)}")
    for name, tensor in expected.items():
        entry = packed.entries[name]
        if (entry.kind, entry.shape) != (tensor.dtype, tuple(tensor.shape)):
            was, wanted = f"{_NAMES[entry.kind]} {list(entry.shape)}", f"{_NAMES[tensor.dtype]} {list(tensor.shape)}"
            raise ValueError(f"its {name} is {was}, where {wanted} is expected")
    with packed.path.open("rb") as file:
        file.seek(packed.values_at)
        values = bytearray(file.read(max((entry.end for entry in packed.entries.values()), default=0)))
    tensors = {name: _tensor(values, entry) for name, entry in packed.entries.items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"its {name} holds values that are infinite or NaN")
    return tensors


def _tensor(values: bytearray, entry: Entry) -> Tensor:
    count = math.prod(entry.shape)
    if count == 0:
        return torch.empty(entry.shape, dtype=entry.kind)
    if len(values) < entry.end:
        raise ValueError("it was truncated while it was being read")
    return torch.frombuffer(values, dtype=entry.kind, count=count, offset=entry.start).reshape(entry.shape).clone()


def _named(names: list[str]) -> str:
    """Names for use in messages: control characters escaped, at most three listed.

    >>> _named(["a", "b\\x1b"])
    "'a', 'b\\\\x1b'"
    """
    return ", ".join(repr(name[:60]) for name in names[:3]) + (f" and {len(names) - 3:,} more" * (len(names) > 3))


def _blank(start: bytes) -> bytes:
    """The start of the file with the digest blanked, as it was when the digest was computed."""
    return _DIGEST.sub(b'"sha256":"' + b"0" * 64 + b'"', start, count=1)


def _sum(file: BinaryIO, start: bytes) -> str:
    """SHA-256 of these bytes followed by the rest of the file, which is read in chunks."""
    state = hashlib.sha256(start)
    while piece := file.read(CHUNK):
        state.update(piece)
    return state.hexdigest()


def _parsed(header: bytes, size: int) -> tuple[dict[str, str], dict[str, Entry]]:
    """The texts and tensors that a header declares for `size` bytes of values; ValueError if it is invalid."""
    declared = header.count(b'"data_offsets"')  # counted before they are parsed into a list
    if declared > MOST_TENSORS:
        raise ValueError(f"it declares {declared:,} tensors, where at most {MOST_TENSORS:,} are allowed")
    try:
        fields = parse_json(header, longest=LARGEST_HEADER)
    except ValueError as problem:
        raise ValueError("its header is not valid JSON") from problem
    if not isinstance(fields, dict):
        raise ValueError("its header is not an object of tensors by name")
    about = fields.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise ValueError("its header's metadata is not an object of texts by name")
    entries = {name: _entry(name, field) for name, field in fields.items()}
    at = 0
    for name, entry in sorted(entries.items(), key=lambda one: (one[1].start, one[1].end)):
        if entry.start != at:
            how = "overlap those of another" if entry.start < at else "leave a gap before them"
            raise ValueError(f"the values of {_named([name])} {how}")
        at = entry.end
    if at != size:
        raise ValueError(f"its header declares {at:,} bytes of values, but there are {size:,}")
    return about, entries


def _entry(name: str, field: Any) -> Entry:
    """A tensor's entry in the header, fully validated."""
    if not isinstance(field, dict) or set(field) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{_named([name])} is not declared as a tensor")
    kind, shape, place = TYPES.get(str(field["dtype"])), field["shape"], field["data_offsets"]
    if kind is None:
        raise ValueError(f"{_named([name])} has an unsupported type; supported are: {', '.join(TYPES)}")
    for numbers in (shape, place):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n <= LARGEST for n in numbers):
            raise ValueError(f"{_named([name])} has sizes or offsets that are not whole numbers from 0 to {LARGEST:,}")
    if len(shape) > 8 or len(place) != 2 or place[1] - place[0] != math.prod(shape) * kind.itemsize:
        raise ValueError(f"the values of {_named([name])} do not have the number of bytes that its shape needs")
    return Entry(kind=kind, shape=tuple(shape), start=place[0], end=place[1])
