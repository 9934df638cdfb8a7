"""The file formats of data sets: IDX, CIFAR's binary rows, and LIBSVM's text for USPS. No pickle is ever read.

Nothing that a file declares is trusted: no memory is taken before its size has been compared with the data set's table
and the file's length. IDX is the format of MNIST: a magic number, the dimensions, the values; plain or gzipped. The
other two are read whole, and give images and labels together.
"""

import bz2
import hashlib
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.data.sets import BYTES, INTEGERS, DatasetSpec, File
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


def read_idx(path: Path, *, shape: Sequence[int | None], kind: int = BYTES, sha256: str = "") -> Idx:
    """Read an IDX file, which must have this shape (None leaves a dimension open) and this type of values.

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
    """An IDX header's bytes and its dimensions, which agree with `shape`."""
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
    """The size of an IDX file's values in bytes; DataError if the file cannot hold as many."""
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


TEXT_BYTES = 1 << 26
"""The most bytes of text that are unpacked; USPS's training set has about 22 MB."""
STEPS = 2000
"""USPS's pixels are integer multiples of 1 / 2000 of full brightness."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The contents of a file that holds images with their labels: CIFAR's rows, or LIBSVM's text."""

    images: Tensor
    """uint8 [N C H W]."""
    labels: Tensor
    """int64 [N]."""
    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""


def read_labelled(path: Path, file: File) -> Labelled:
    """Read CIFAR's rows or LIBSVM's text, as the table says; DataError, naming the file, if it is anything else."""
    name = printable(path)
    try:
        if not path.is_file():  # opening a pipe would wait forever
            raise DataError(f"{name} is missing, or is not a file.")
        most = bytes_of(file) if file.form == "rows" else TEXT_BYTES
        with path.open("rb") as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise DataError(f"{name} could not be read: {error.strerror or error}.") from error
    if len(content) > most:
        raise DataError(f"{name} is larger than the {most:,} bytes it can have.")
    return rows(content, file, name) if file.form == "rows" else _sparse(content, file, name)


def rows(content: bytes, file: File, name: str) -> Labelled:
    """CIFAR's binary form: for each picture a byte for its class, then its pixels, channel by channel.

    `file.shape` is [N C H W].
    """
    count, *shape = (size or 0 for size in file.shape)
    if len(content) != bytes_of(file):
        raise DataError(
            f"{name} has {len(content):,} bytes, and {bytes_of(file):,} are expected: {count:,} pictures of"
            f" {' x '.join(map(str, shape))}, each after its class."
        )
    values = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy()).view(count, -1)
    return Labelled(
        images=values[:, 1:].reshape(count, *shape),
        labels=values[:, 0].long(),
        digest=hashlib.sha256(content).hexdigest(),
    )


def bytes_of(file: File) -> int:
    """The size in bytes of a file in CIFAR's binary form."""
    count, *shape = (size or 0 for size in file.shape)
    return count * (1 + math.prod(shape))


def _sparse(content: bytes, file: File, name: str) -> Labelled:
    """LIBSVM's text, packed with bzip2: one picture per line, its class from 1 on, then PLACE:VALUE from -1 to 1.

    Places count from 1; omitted ones are 0, which is half brightness.
    """
    count, *shape = (size or 0 for size in file.shape)
    size = math.prod(shape)
    try:
        unpacking = bz2.BZ2Decompressor()
        text = unpacking.decompress(content, TEXT_BYTES).decode("ascii")
        if not unpacking.eof:
            raise DataError(f"{name} is truncated, or unpacks to more than {TEXT_BYTES:,} bytes.")
        lines = text.splitlines()
        if len(lines) != count:
            raise DataError(f"{name} has {len(lines):,} lines, and {count:,} are expected, one per picture.")
        values = np.zeros((count, size), dtype=np.float64)
        labels = [_text_line(line, row) for line, row in zip(lines, values, strict=True)]
    except (OSError, ValueError, IndexError) as problem:
        raise DataError(f"{name} is not the bzip2-packed LIBSVM text it should be ({problem}).") from problem
    images = in_bytes((values + 1) / 2, name).reshape(count, *shape)
    digest = hashlib.sha256(content).hexdigest()
    return Labelled(images=torch.from_numpy(images), labels=torch.tensor(labels) - 1, digest=digest)


def _text_line(line: str, row: NDArray[np.float64]) -> int:
    """The class at the beginning of a line of LIBSVM's text; its values are written to the row."""
    label, *entries = line.split()
    for entry in entries:
        place, value = entry.split(":")
        if not 1 <= int(place) <= len(row):
            raise ValueError(f"place {place} of {len(row)}")
        row[int(place) - 1] = float(value)
    return int(label)


def in_bytes(shares: NDArray[np.float64], name: str) -> NDArray[np.uint8]:
    """USPS's pixels, from 0 to 1, as bytes: exact halves are rounded up, regardless of floating-point error.

    >>> in_bytes(np.array([0.0, 0.1, 0.1845, 1.0]), "usps").tolist()  # 0.1 of 255 is 25.5
    [0, 26, 47, 255]
    """
    if not ((shares >= -1e-6) & (shares <= 1 + 1e-6)).all():
        raise DataError(f"{name} has pixels outside the range from black to full brightness.")
    steps = np.rint(shares * STEPS).astype(np.int64)
    return ((2 * 255 * steps + STEPS) // (2 * STEPS)).astype(np.uint8)


def order_free(images: Tensor, labels: Tensor) -> str:
    """A digest of labelled pictures, uint8 [N C H W] and int64 [N], that does not depend on their order.

    It is the sum, modulo 2^256, of the SHA-256 of each label, as one byte, and its pixels, channel by channel.

    >>> images, labels = torch.arange(8, dtype=torch.uint8).view(2, 1, 2, 2), torch.tensor([3, 4])
    >>> order_free(images, labels) == order_free(images.flip(0), labels.flip(0)) != order_free(images, labels.flip(0))
    True
    """
    total = sum(_digests(images, labels)) % 2**256
    return f"{total:064x}"


def require_pictures(known: DatasetSpec, half: str, images: Tensor, labels: Tensor, place: Path) -> None:
    """Raise DataError unless these are the pictures of the set's half, `train` or `test`, in any order.

    Sets whose pictures have no known digest are not checked. `place` is the folder that the message names.
    """
    for name, wanted in zip(("train", "test"), known.pictures_sha256, strict=False):
        if name == half and (found := order_free(images, labels)) != wanted:
            raise DataError(
                f"The {half} pictures in {printable(place)} are not those of {known.name}: their digest, which does not"
                f" depend on their order, should be {wanted} and is {found}."
            )


def _digests(images: Tensor, labels: Tensor) -> Iterable[int]:
    pixels = images.contiguous().numpy()
    for image, label in zip(pixels, labels.tolist(), strict=True):
        yield int.from_bytes(hashlib.sha256(bytes((label,)) + image.tobytes()).digest(), "big")
