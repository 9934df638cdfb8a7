"""IDX files, the format of MNIST: a magic number, the dimensions, the values; plain or gzipped.

A header is not trusted: nothing is allocated before its declared size has been compared with the expected shape and
the length of the file.
"""

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from featherweight.data.sets import BYTES, INTEGERS
from featherweight.errors import DataError
from featherweight.escape import printable

TYPES: dict[int, np.dtype[Any]] = {BYTES: np.dtype("u1"), INTEGERS: np.dtype(">i4")}  # IDX is big-endian
LARGEST = 1 << 30
"""The most bytes that a file may declare. The largest set known here, EMNIST's digits, has 188 MB."""
CHUNK = 1 << 20
EXPANSION = 1032
"""The largest factor by which DEFLATE can expand data (zlib's technical notes)."""


@dataclass(frozen=True, kw_only=True)
class Idx:
    """The contents of one IDX file."""

    values: Tensor
    """uint8 or int32, in the shape given by the header."""
    digest: str
    """SHA-256 of the unpacked bytes, header included."""


def read(path: Path, *, shape: Sequence[int | None], kind: int = BYTES, sha256: str = "") -> Idx:
    """The whole file, which must have this shape (None leaves a dimension open) and this type of values.

    The first bytes, not the name, show whether the file is gzipped. Raises DataError, naming the file, if it cannot be
    read, is not an IDX file, has another shape, is shorter or longer than its header says, or does not have the digest
    `sha256` (of the unpacked bytes, hexadecimal; empty skips the check).
    """
    name = printable(path)
    try:
        if not path.is_file():  # opening a pipe would wait forever
            raise DataError(f"{name} is missing, or is not a file; an IDX file is expected there.")
        with path.open("rb") as file:
            source = _Unpacked(file, name, path.stat().st_size)
            header, dims = _header(source, kind, shape)
            body = source.exactly(_size(source, kind, dims))
            source.end()
    except OSError as error:
        raise DataError(f"{name} could not be read: {error.strerror or error}.") from error
    state = hashlib.sha256(header)
    state.update(body)
    if sha256 and state.hexdigest() != sha256:
        raise DataError(
            f"{name} does not match its digest: the SHA-256 of its unpacked bytes should be {sha256} and is"
            f" {state.hexdigest()}. Delete the file and fetch it again."
        )
    values = np.frombuffer(body, dtype=TYPES[kind]).reshape(dims)
    native = values.astype(TYPES[kind].newbyteorder("="), copy=False)
    return Idx(values=torch.from_numpy(native), digest=state.hexdigest())


def _header(source: "_Unpacked", kind: int, shape: Sequence[int | None]) -> tuple[bytes, list[int]]:
    """The header's bytes and the dimensions, which agree with `shape`."""
    expected = bytes((0, 0, kind, len(shape)))
    magic = bytes(source.exactly(4))
    if magic != expected:
        looks = " It looks like a web page." if magic.lstrip()[:1] == b"<" else ""
        raise DataError(
            f"{source.name} is not the IDX file it should be: it starts with {magic.hex(' ')}, and"
            f" {expected.hex(' ')} is expected.{looks}"
        )
    sizes = bytes(source.exactly(4 * len(shape)))
    dims = [int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4)]
    if any(want is not None and want != got for want, got in zip(shape, dims, strict=True)):
        wanted = " x ".join("any" if want is None else str(want) for want in shape)
        raise DataError(f"{source.name} declares {' x '.join(map(str, dims))} values, and {wanted} are expected.")
    return magic + sizes, dims


def _size(source: "_Unpacked", kind: int, dims: list[int]) -> int:
    """The size of the values in bytes; DataError if the file cannot hold as many."""
    size = TYPES[kind].itemsize * math.prod(dims)
    if size > LARGEST:
        raise DataError(f"{source.name} declares {size:,} bytes of values; at most {LARGEST:,} are read.")
    if size > source.at_most:
        raise DataError(
            f"{source.name} is truncated: it declares {size:,} bytes of values, and a file of its length"
            f" holds at most {source.at_most:,}."
        )
    return size


class _Unpacked:
    """The bytes of a file, unpacked if it is gzipped, and never more of them than requested."""

    def __init__(self, file: BinaryIO, name: str, length: int) -> None:
        self.name = name
        self._file = file
        start = file.read(2)
        file.seek(0)
        self._unzip = zlib.decompressobj(wbits=31) if start == b"\x1f\x8b" else None
        self.at_most = length * (EXPANSION if self._unzip else 1)

    def exactly(self, size: int) -> bytearray:
        """The next `size` bytes; DataError if there are fewer."""
        taken = bytearray()
        while len(taken) < size:
            piece = self._some(min(CHUNK, size - len(taken)))
            if not piece:
                raise DataError(
                    f"{self.name} is truncated: {size:,} more bytes are declared and {len(taken):,} follow."
                )
            taken += piece
        return taken

    def end(self) -> None:
        """Raise DataError unless the file ends here, with a valid checksum if it is gzipped."""
        rest = self._some(1)
        unzip = self._unzip
        if rest or self._file.read(1) or (unzip is not None and unzip.unused_data):
            raise DataError(f"{self.name} is longer than its header says: bytes follow the last value.")
        if unzip is not None and not unzip.eof:
            raise DataError(f"{self.name} is truncated: its gzip checksum is missing.")

    def _some(self, most: int) -> bytes:
        """Up to `most` bytes; empty only at the end."""
        if self._unzip is None:
            return self._file.read(most)
        try:
            while not self._unzip.eof:
                packed = self._unzip.unconsumed_tail or self._file.read(min(CHUNK, 64 + most))
                piece = self._unzip.decompress(packed, most)
                if piece or not packed:
                    return piece
        except zlib.error as error:
            raise DataError(f"{self.name} is damaged: its gzip data cannot be unpacked ({error}).") from error
        return b""
