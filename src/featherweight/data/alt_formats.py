"""Data sets in forms other than single files: published archives, CIFAR-10 as pictures, USPS as HDF5; each checked."""

import hashlib
import math
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from featherweight.data import folder, formats
from featherweight.data.sets import DatasetSpec, File
from featherweight.data.split import RawDataset, Split, digest
from featherweight.errors import DataError, UsageError
from featherweight.escape import printable

CHUNK = 1 << 18

Check = Callable[[Path], None]
"""Raises DataError if the contents of a file are wrong."""


def place_of(folder: Path, file: File) -> tuple[Path, int, Check]:
    """Of a published file, alone or in an archive: its place in the folder, the bytes it may have, and its check."""
    if file.form == "idx":
        size = formats.TYPES[file.kind].itemsize * math.prod(side or 1 for side in file.shape)
        most = size + size // 1000 + 4096  # DEFLATE's 5 bytes for each block of up to 64 KiB, and headers
    else:
        most = formats.bytes_of(file) if file.form == "rows" else formats.TEXT_BYTES

    def check(path: Path) -> None:
        if file.form == "idx":
            formats.read_idx(path, shape=file.shape, kind=file.kind, sha256=file.sha256)
        else:
            formats.read_labelled(path, file)

    return folder / file.published, most, check


def take_out(archive: Path, known: DatasetSpec, files: Sequence[File], folder: Path) -> None:
    """Extract these files from a set's archive into the folder; DataError if it is not the right archive."""
    require_published(archive, known)
    kind = "ZIP" if known.archive_name.endswith(".zip") else "tar"
    try:
        (_from_zip if kind == "ZIP" else _from_tar)(archive, known, files, folder)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        KeyError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise DataError(f"{archive.name} is not the {kind} archive it should be ({error}).") from error


def require_published(path: Path, known: DatasetSpec) -> None:
    """Raise DataError unless the file has the size and the digests of the set's archive, if its digest is known.

    MD5 is what the publisher of CIFAR-10 gives; SHA-256 is what decides, since files with a given MD5 can be made.
    """
    if not known.archive_sha256:
        return
    size = path.stat().st_size
    if size != known.archive_bytes:
        raise DataError(
            f"{printable(path)} has {size:,} bytes, and {known.archive_bytes:,} are expected. Delete the file and fetch"
            " it again."
        )
    digests = {"SHA-256": known.archive_sha256, "MD5": known.archive_md5}
    for name, wanted in digests.items():
        with path.open("rb") as file:
            state = hashlib.sha256() if name == "SHA-256" else hashlib.md5(usedforsecurity=False)
            while piece := file.read(CHUNK):
                state.update(piece)
        if wanted and (found := state.hexdigest()) != wanted:
            raise DataError(
                f"{printable(path)} does not match its digest: its {name} should be {wanted} and is {found}. Delete the"
                " file and fetch it again."
            )


def _from_zip(path: Path, known: DatasetSpec, files: Sequence[File], folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for file in files:
            member = f"{known.archive}{file.published}"
            with archive.open(member) as source:
                _write_member(source, member, *place_of(folder, file))  # type: ignore[arg-type]


def _from_tar(path: Path, known: DatasetSpec, files: Sequence[File], folder: Path) -> None:
    with tarfile.open(path, "r:gz") as archive:
        for file in files:
            _write_member(
                member_of_tar(archive, known, file), f"{known.archive}{file.published}", *place_of(folder, file)
            )


def member_of_tar(archive: tarfile.TarFile, known: DatasetSpec, file: File) -> BinaryIO:
    """One of a set's files in its open tar archive, for reading; KeyError if it is missing or not a plain file."""
    member = f"{known.archive}{file.published}"
    source = archive.extractfile(member)
    if source is None:
        raise KeyError(f"{member} is no file")
    return source  # type: ignore[return-value]


def _write_member(source: BinaryIO, member: str, target: Path, limit: int, check: Check) -> None:
    """Write one member of a data set's archive to its place, complete and checked."""
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        while piece := source.read(CHUNK):
            if file.tell() + len(piece) > limit:
                raise DataError(f"{member} is larger than the {limit:,} bytes it can have.")
            file.write(piece)
    check(part)
    settle(part, target)


def settle(part: Path, target: Path) -> None:
    """Rename a finished download or member of an archive, once its bytes are on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)


SIDE = 32
ACROSS = 100
"""The number of pictures in a row of a sheet."""
HALVES = ("train", "test")


def find_alternative(root: Path, known: DatasetSpec, *, with_test: bool) -> RawDataset | None:
    """The data set in one of these alternative forms, from one of its folders in `root`; None if there is none.

    Raises DataError for files that exist but are wrong.
    """
    for place in known.places(root):
        for form in _FORMS.get(known.name, ()):
            whole = form(place, known, with_test)
            if whole is not None:
                return whole
    return None


def has_alternative(root: Path, known: DatasetSpec) -> bool:
    """Whether one of the set's folders in `root` has one of these forms; nothing is read."""
    if known.name == "usps":
        return any((place / "usps.h5").is_file() for place in known.places(root))
    signs = (
        [known.archive_name, f"train-{known.classes[0]}.webp", f"train/{known.classes[0]}"]
        if known.pictures_sha256
        else []
    )
    return any((place / sign).exists() for place in known.places(root) for sign in signs)


def _archive(place: Path, known: DatasetSpec, with_test: bool) -> RawDataset | None:
    """The set in its published archive."""
    path = place / known.archive_name
    if not path.is_file():
        return None
    halves = (known.train, known.test)[: 1 + with_test]
    splits: list[Split] = []
    digests: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            require_published(path, known)
            for half in halves:
                parts = [formats.rows(_member(archive, known, file), file, file.name) for file in half]
                splits.append(_joined(parts))
                digests |= {file.name: part.digest for file, part in zip(half, parts, strict=True)}
    except (tarfile.TarError, KeyError, EOFError, OSError) as problem:
        raise DataError(f"{printable(path)} is not the archive it should be ({problem}).") from problem
    return _raw_dataset(known, splits, digests)


def _member(archive: tarfile.TarFile, known: DatasetSpec, file: File) -> bytes:
    return member_of_tar(archive, known, file).read(formats.bytes_of(file) + 1)


def _joined(parts: Sequence[formats.Labelled]) -> Split:
    return Split(images=torch.cat([part.images for part in parts]), labels=torch.cat([part.labels for part in parts]))


def _raw_dataset(known: DatasetSpec, splits: Sequence[Split], digests: dict[str, str]) -> RawDataset:
    test = splits[1] if len(splits) > 1 else None
    return RawDataset(name=known.name, classes=known.classes, train=splits[0], test=test, digests=digests)


def _sheets(place: Path, known: DatasetSpec, with_test: bool) -> RawDataset | None:
    """The set as lossless sheets, one per class and half, such as `train-CLASS.webp`; a hundred pictures in a row."""
    halves = HALVES[: 1 + with_test]
    paths = {half: [place / f"{half}-{name}.webp" for name in known.classes] for half in halves}
    if not all(path.is_file() for half in halves for path in paths[half]):
        return None
    splits = []
    for half in halves:
        tiles = [_tiles(path) for path in paths[half]]
        labels = torch.arange(len(tiles)).repeat_interleave(torch.tensor([len(one) for one in tiles]))
        splits.append(Split(images=torch.cat(tiles), labels=labels))
    return _checked_pictures(known, splits, place)


def _tiles(path: Path) -> Tensor:
    """The pictures of a sheet, row by row: uint8 [N 3 32 32]."""
    try:
        with Image.open(path, formats=("WEBP",)) as sheet:
            width, height = sheet.size
            if width != ACROSS * SIDE or height % SIDE or height > 100 * SIDE:
                raise DataError(f"it is {width} x {height} pixels")
            pixels: NDArray[np.uint8] = np.asarray(sheet.convert("RGB"))
    except Exception as problem:  # decoders may raise anything for malformed input
        raise DataError(
            f"{printable(path)} is not a sheet of pictures of {SIDE} x {SIDE}, {ACROSS} in a row: {problem}."
        ) from problem
    tiles = pixels.reshape(height // SIDE, SIDE, ACROSS, SIDE, 3).transpose(0, 2, 4, 1, 3)
    return torch.from_numpy(np.ascontiguousarray(tiles).reshape(-1, 3, SIDE, SIDE))


def _class_folders(place: Path, known: DatasetSpec, with_test: bool) -> RawDataset | None:
    """The set as folders `train` and `test`, each with a folder of pictures for every class."""
    if not all((place / half / name).is_dir() for half in HALVES for name in known.classes):
        return None
    try:
        whole = folder.load(place, with_test=with_test, seed=0)
    except UsageError as problem:
        raise DataError(str(problem)) from problem
    return _checked_pictures(known, [whole.train, whole.test] if whole.test is not None else [whole.train], place)


def _checked_pictures(known: DatasetSpec, splits: Sequence[Split], place: Path) -> RawDataset:
    """The set, if these are its pictures, in any order; DataError otherwise."""
    for half, split in zip(HALVES, splits, strict=False):
        formats.require_pictures(known, half, split.images, split.labels, place)
    digests = {half: digest(split) for half, split in zip(HALVES, splits, strict=False)}
    return _raw_dataset(known, splits, digests)


def _hdf5(place: Path, known: DatasetSpec, with_test: bool) -> RawDataset | None:
    """`usps.h5`: groups `train` and `test`, each with `data` [N 256] from 0 to 1 and `target` [N]."""
    path = place / "usps.h5"
    if not path.is_file():
        return None
    try:
        import h5py
    except ImportError as problem:
        raise UsageError(
            f"Reading {printable(path)} needs a package that is not installed here; install it with: pip install h5py"
        ) from problem
    splits = []
    try:
        with h5py.File(path, "r") as opened:
            for half, files in zip(HALVES[: 1 + with_test], (known.train, known.test), strict=False):
                splits.append(_hdf5_group(opened[half], files[0], f"{printable(path)}, {half},"))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as problem:
        raise DataError(f"{printable(path)} is not the USPS file that it should be ({problem}).") from problem
    digests = {half: digest(split) for half, split in zip(HALVES, splits, strict=False)}
    return _raw_dataset(known, splits, digests)


def _hdf5_group(group: Mapping[str, Any], file: File, name: str) -> Split:
    """One half of the set; its shape is checked before any value is read."""
    shape = tuple(size or 0 for size in file.shape)
    wanted = {"data": (shape[0], SIDE * SIDE // 4), "target": shape[:1]}
    for part, size in wanted.items():
        if tuple(group[part].shape) != size:
            raise DataError(f"{name} has {part} of {tuple(group[part].shape)}, and {size} are expected.")
    images = formats.in_bytes(np.asarray(group["data"][:], dtype=np.float64), name).reshape(shape)
    return Split(images=torch.from_numpy(images), labels=torch.from_numpy(group["target"][:].astype(np.int64)))


_FORMS: dict[str, Sequence[Callable[[Path, DatasetSpec, bool], RawDataset | None]]] = {
    "cifar10": (_sheets, _class_folders, _archive),
    "usps": (_hdf5,),
}
