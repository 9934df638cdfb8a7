"""Tensor files that are validated before use: safetensors with a digest, read within size limits.

In addition to what safetensors prescribes, the header's metadata holds the SHA-256 of the whole file. Nothing is parsed
before the digest is verified, and no values are read before the declared names, shapes and types are those expected.
The library reads the files; it does not write them, since the order of its metadata differs from one run to the next.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from featherweight.errors import UsageError
from featherweight.escape import printable

LARGEST = 1 << 30
"""Maximum size of a file in bytes; a larger one is refused."""
LARGEST_HEADER = 1 << 21
"""Maximum size of the header's JSON in bytes. A hundred layers take about 10,000 and the row of an epoch takes 200;
hostile JSON can need twenty times its length in memory."""
CHUNK = 1 << 20
_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""Of the value types that are written, in that format."""
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')

Declared = dict[str, tuple[str, list[int]]]
"""The type and shape of each tensor, by its name."""


@dataclass(frozen=True, kw_only=True)
class TensorFile:
    """A file with a valid digest and header, whose values have not been read yet."""

    path: Path
    about: dict[str, str]
    """The texts packed with the tensors, by name."""
    declared: Declared


def pack_tensors(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """The bytes of a tensor file, identical for identical tensors and texts; `about` holds texts to store with them.

    Raises UsageError if the result exceeds the limits of `open_packed`.

    >>> content = pack_tensors({"weight": torch.tensor([1.0, 2.0])}, {"note": "two numbers"})
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
    if len(text) > LARGEST_HEADER:
        raise UsageError(
            f"{len(ordered):,} tensors and a header of {len(text):,} bytes are more than a file may hold; the limit"
            f" is {LARGEST_HEADER:,} bytes. Use fewer epochs or layers."
        )
    content = b"".join([len(text).to_bytes(8, "little"), text, *values])
    found = _DIGEST.search(content)
    assert found is not None
    return content[: found.start(1)] + hashlib.sha256(content).hexdigest().encode() + content[found.end(1) :]


def open_packed(path: Path, key: str) -> TensorFile:
    """Open a tensor file and verify its digest; a text named `key` must be stored with the tensors.

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
        if len(marked) == 1 and _digest_of(file, _blank(start + header)) != marked[0].decode():
            raise ValueError("its bytes do not match its digest, so it has changed since it was written")
    try:
        with safe_open(path, framework="pt") as opened:
            about = opened.metadata() or {}
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118, not a mapping
            declared = {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
    except SafetensorError as problem:
        raise ValueError(f"it is not a file of tensors: {printable(str(problem))[:200]}") from problem
    if len(marked) != 1 and set(about) != {key}:
        raise ValueError("it has no digest")
    if key not in about:
        raise ValueError(f"its metadata has no {key!r}")
    return TensorFile(path=path, about=about, declared=declared)


def is_intact(path: Path) -> bool:
    """Whether the tensor file exists and matches its digest."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            start = file.read(8)
            start += file.read(min(LARGEST_HEADER, int.from_bytes(start, "little")))
            marked = _DIGEST.findall(start)
            return len(marked) == 1 and _digest_of(file, _blank(start)) == marked[0].decode()
    except OSError:
        return False


def read_tensors(packed: TensorFile, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The values of a tensor file, which must have the expected names, shapes and types, and be finite.

    No values are read before names, shapes and types have been checked. Raises OSError, or ValueError whose message is
    a clause giving the reason.
    """
    wanted = _types_and_shapes(expected)
    _require_expected(packed.declared, wanted)
    try:
        # From bytes: tensors that are a window on the file would end the process if it were cut off meanwhile.
        tensors = load(packed.path.read_bytes())
    except SafetensorError as problem:
        raise ValueError("it changed while it was being read") from problem
    _require_expected(_types_and_shapes(tensors), wanted)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"its {name} holds values that are infinite or NaN")
    return tensors


def _types_and_shapes(tensors: Mapping[str, Tensor]) -> Declared:
    return {name: (_NAMES[tensor.dtype], list(tensor.shape)) for name, tensor in tensors.items()}


def _require_expected(found: Declared, wanted: Declared) -> None:
    """Raise ValueError, naming what differs, unless both declare the same tensors."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        clauses = [f"{words} {_quoted(names)}" for words, names in (("lacks", missing), ("also holds", extra)) if names]
        raise ValueError(f"it {' and '.join(clauses)}")
    for name, (kind, shape) in wanted.items():
        if found[name] != (kind, shape):
            stated = " ".join(map(str, found[name]))  # of a hostile file, a shape of a million sizes
            raise ValueError(f"its {name} is {stated:.60}, where {kind} {shape} is expected")


def _quoted(names: list[str]) -> str:
    """Names for use in messages: control characters escaped, at most three listed.

    >>> _quoted(["a", "b\\x1b"])
    "'a', 'b\\\\x1b'"
    """
    return ", ".join(repr(name[:60]) for name in names[:3]) + (f" and {len(names) - 3:,} more" * (len(names) > 3))


def _blank(start: bytes) -> bytes:
    """The start of the file with the digest blanked, as it was when the digest was computed."""
    return _DIGEST.sub(b'"sha256":"' + b"0" * 64 + b'"', start, count=1)


def _digest_of(file: BinaryIO, start: bytes) -> str:
    """SHA-256 of these bytes followed by the rest of the file, which is read in chunks."""
    state = hashlib.sha256(start)
    while piece := file.read(CHUNK):
        state.update(piece)
    return state.hexdigest()
