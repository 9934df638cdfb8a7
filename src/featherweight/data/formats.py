"""Files of data sets other than IDX files: CIFAR-10's rows, and USPS as text. No pickle is ever read.

Each file is read whole, checked against the data set's table, and gives images and labels together.
"""

import bz2
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.data.sets import DatasetSpec, File
from featherweight.errors import DataError
from featherweight.escape import printable

TEXT_BYTES = 1 << 26
"""The most bytes of text that are unpacked; USPS's training set has about 22 MB."""
STEPS = 2000
"""USPS's pixels are integer multiples of 1 / 2000 of full brightness."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The contents of one file."""

    images: Tensor
    """uint8 [N C H W]."""
    labels: Tensor
    """int64 [N]."""
    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""


def read(path: Path, file: File) -> Labelled:
    """The whole file, in the form given by the table; DataError, naming the file, if it is anything else."""
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
    """The size of a file of rows in bytes."""
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
    """The class at the beginning of a line; its values are written to the row."""
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
