"""Takes a data set's files out of its published archive: each complete, checked and within its size limit."""

import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from featherweight.data.sets import DatasetSpec, File
from featherweight.errors import DataError
from featherweight.escape import printable

CHUNK = 1 << 18

Place = Callable[[File], tuple[Path, int, Callable[[Path], None]]]
"""The path of a file, the bytes it may have at most, and a check that raises DataError if its contents are wrong."""


def take_out(archive: Path, known: DatasetSpec, files: Sequence[File], place: Place) -> None:
    """Extract these files from a set's archive to their places; DataError if it is not the right archive."""
    require_published(archive, known)
    kind = "ZIP" if known.archive_name.endswith(".zip") else "tar"
    try:
        (_from_zip if kind == "ZIP" else _from_tar)(archive, known, files, place)
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


def _from_zip(path: Path, known: DatasetSpec, files: Sequence[File], place: Place) -> None:
    with zipfile.ZipFile(path) as archive:
        for file in files:
            member = f"{known.archive}{file.published}"
            with archive.open(member) as source:
                _write_member(source, member, *place(file))  # type: ignore[arg-type]


def _from_tar(path: Path, known: DatasetSpec, files: Sequence[File], place: Place) -> None:
    with tarfile.open(path, "r:gz") as archive:
        for file in files:
            _write_member(member_of_tar(archive, known, file), f"{known.archive}{file.published}", *place(file))


def member_of_tar(archive: tarfile.TarFile, known: DatasetSpec, file: File) -> BinaryIO:
    """One of a set's files in its open tar archive, for reading; KeyError if it is missing or not a plain file."""
    member = f"{known.archive}{file.published}"
    source = archive.extractfile(member)
    if source is None:
        raise KeyError(f"{member} is no file")
    return source  # type: ignore[return-value]


def _write_member(source: BinaryIO, member: str, target: Path, limit: int, check: Callable[[Path], None]) -> None:
    """Write one member of an archive to its place, complete and checked."""
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        while piece := source.read(CHUNK):
            if file.tell() + len(piece) > limit:
                raise DataError(f"{member} is larger than the {limit:,} bytes it can have.")
            file.write(piece)
    check(part)
    settle(part, target)


def settle(part: Path, target: Path) -> None:
    """Rename a finished file, once its bytes are on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
