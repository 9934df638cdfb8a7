"""Tensors in a file that is believed only as far as it proves itself: safetensors with a digest, read within limits.

The layout is that of safetensors (eight bytes of length, a JSON header, the values), so every reader of that format
reads these files. What is ours: the header's metadata holds the SHA-256 of the whole file, and nothing is parsed before
it has been held against the bytes, nothing allocated before the declared sizes have been held against file and network.
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
from featherweight.files import parse_json

LARGEST = 1 << 30
"""Bytes; no longer file is read."""
LARGEST_HEADER = 1 << 21
"""Bytes of the header's JSON. A hundred layers take some 10,000 and an epoch's row 200; JSON made to be as large as it
can takes twenty times its length in memory."""
MOST_TENSORS = 4096
CHUNK = 1 << 20
TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""The value types of safetensors that may be read, by its names."""
_NAMES = {kind: name for name, kind in TYPES.items()}
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One tensor as a header declares it."""

    kind: torch.dtype
    shape: tuple[int, ...]
    start: int
    """Of its values among all values, in bytes."""
    end: int


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A file whose digest and header are in order; its values have not been read."""

    path: Path
    about: dict[str, str]
    """What was packed beside the tensors."""
    entries: dict[str, Entry]
    values_at: int
    """Where the values begin, in bytes."""


def pack(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The file's bytes, the same for the same tensors and texts; `about` names texts that go with the tensors.

    Raises UsageError for more than `open_packed` would read.

    >>> content = pack({"weight": torch.tensor([1.0, 2.0])}, {"note": "two numbers"})
    >>> len(content), content[-8:].hex()
    (192, '0000803f00000040')
    """
    # Wide values first, so that each tensor begins at a multiple of its width, as safetensors wants it.
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
            f"{len(ordered):,} tensors and {len(text):,} bytes of what is said of them are more than a file may"
            f" hold; the limits are {MOST_TENSORS:,} and {LARGEST_HEADER:,}. Take fewer epochs or layers."
        )
    content = b"".join([len(text).to_bytes(8, "little"), text, *values])
    found = _DIGEST.search(content)
    assert found is not None
    return content[: found.start(1)] + hashlib.sha256(content).hexdigest().encode() + content[found.end(1) :]


def open_packed(path: Path, key: str) -> Packed:
    """The file's header, once the file has been held against its digest; a text of name `key` must go with the tensors.

    Files of before there were digests, which hold that text and nothing else beside the tensors, are read too.
    Raises OSError, or ValueError with the reason as a clause, for whoever knows what the file is for to say so.
    """
    if not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not there" if not path.exists() else "it is not a file")
    with path.open("rb") as file:
        length = path.stat().st_size
        if length > LARGEST:
            raise ValueError(f"it has {length:,} bytes, and at most {LARGEST:,} are read")
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
        raise ValueError(f"{key!r} is not said of its tensors")
    return Packed(path=path, about=about, entries=entries, values_at=8 + size)


def whole(path: Path) -> bool:
    """Whether the file is there and matches its digest."""
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
    """The tensors, which must have the names, shapes and types of those expected and hold finite numbers only.

    Nothing is read before names, shapes and types agree. Raises OSError, or ValueError with the reason as a clause.
    """
    missing, extra = sorted(expected.keys() - packed.entries.keys()), sorted(packed.entries.keys() - expected.keys())
    if missing or extra:
        clauses = [f"{words} {_named(names)}" for words, names in (("lacks", missing), ("also holds", extra)) if names]
        raise ValueError(f"it {' and '.join(clauses)}")
    for name, tensor in expected.items():
        entry = packed.entries[name]
        if (entry.kind, entry.shape) != (tensor.dtype, tuple(tensor.shape)):
            was, wanted = f"{_NAMES[entry.kind]} {list(entry.shape)}", f"{_NAMES[tensor.dtype]} {list(tensor.shape)}"
            raise ValueError(f"{name} is {was} there, and {wanted} is expected")
    with packed.path.open("rb") as file:
        file.seek(packed.values_at)
        values = bytearray(file.read(max((entry.end for entry in packed.entries.values()), default=0)))
    tensors = {name: _tensor(values, entry) for name, entry in packed.entries.items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are no numbers or infinite")
    return tensors


def _tensor(values: bytearray, entry: Entry) -> Tensor:
    count = math.prod(entry.shape)
    if count == 0:
        return torch.empty(entry.shape, dtype=entry.kind)
    if len(values) < entry.end:
        raise ValueError("it became shorter while it was read")
    return torch.frombuffer(values, dtype=entry.kind, count=count, offset=entry.start).reshape(entry.shape).clone()


def _named(names: list[str]) -> str:
    """Names as a message shows them: control characters escaped, three at most.

    >>> _named(["a", "b\\x1b"])
    "'a', 'b\\\\x1b'"
    """
    return ", ".join(repr(name[:60]) for name in names[:3]) + (f" and {len(names) - 3:,} more" * (len(names) > 3))


def _blank(start: bytes) -> bytes:
    """The file's first bytes with the digest taken out, as they were when it was computed."""
    return _DIGEST.sub(b'"sha256":"' + b"0" * 64 + b'"', start, count=1)


def _sum(file: BinaryIO, start: bytes) -> str:
    """SHA-256 of these bytes and of the rest of the file, without keeping it."""
    state = hashlib.sha256(start)
    while piece := file.read(CHUNK):
        state.update(piece)
    return state.hexdigest()


def _parsed(header: bytes, size: int) -> tuple[dict[str, str], dict[str, Entry]]:
    """The texts and the tensors that a header declares over `size` bytes of values; ValueError when it cannot be."""
    declared = header.count(b'"data_offsets"')  # counted before a list of them is made
    if declared > MOST_TENSORS:
        raise ValueError(f"it declares {declared:,} tensors, and at most {MOST_TENSORS:,} are read")
    try:
        fields = parse_json(header, longest=LARGEST_HEADER)
    except ValueError as problem:
        raise ValueError("its header is not the JSON that it should be") from problem
    if not isinstance(fields, dict):
        raise ValueError("its header is not a list of tensors by name")
    about = fields.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise ValueError("its header's metadata are not texts by name")
    entries = {name: _entry(name, field) for name, field in fields.items()}
    at = 0
    for name, entry in sorted(entries.items(), key=lambda one: (one[1].start, one[1].end)):
        if entry.start != at:
            how = "overlap those of another" if entry.start < at else "leave a gap before them"
            raise ValueError(f"the values of {_named([name])} {how}")
        at = entry.end
    if at != size:
        raise ValueError(f"{at:,} bytes of values are declared, and there are {size:,}")
    return about, entries


def _entry(name: str, field: Any) -> Entry:
    """A tensor's line of the header, all of it checked."""
    if not isinstance(field, dict) or set(field) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{_named([name])} is not declared as a tensor is")
    kind, shape, place = TYPES.get(str(field["dtype"])), field["shape"], field["data_offsets"]
    if kind is None:
        raise ValueError(f"{_named([name])} is of a type that is not read; there are: {', '.join(TYPES)}")
    for numbers in (shape, place):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n <= LARGEST for n in numbers):
            raise ValueError(f"{_named([name])} has sizes or places that are no numbers up to {LARGEST:,}")
    if len(shape) > 8 or len(place) != 2 or place[1] - place[0] != math.prod(shape) * kind.itemsize:
        raise ValueError(f"the values of {_named([name])} do not take the bytes that its shape needs")
    return Entry(kind=kind, shape=tuple(shape), start=place[0], end=place[1])
