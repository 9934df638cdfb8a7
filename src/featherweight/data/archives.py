"""A data set's files out of the archive it is published as, each whole, checked and no larger than it can be."""

import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from featherweight.data.sets import File, Named
from featherweight.errors import DataError
from featherweight.files import printable

CHUNK = 1 << 18

Place = Callable[[File], tuple[Path, int, Callable[[Path], None]]]
"""Where a file belongs, how many bytes it can have, and what raises DataError when it does not hold what it should."""


def take_out(archive: Path, known: Named, files: Sequence[File], place: Place) -> None:
    """Put these files of a set's archive in place; DataError when it is not the archive it should be."""
    if known.archive_sha256:
        require_sha256(archive, known.archive_sha256)
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


def require_sha256(path: Path, sha256: str) -> None:
    """Raise DataError unless the file has this digest."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DataError(
            f"{printable(path)} does not match its digest: its SHA-256 should be {sha256} and is {found}. Delete the"
            " file and fetch it again."
        )


def _from_zip(path: Path, known: Named, files: Sequence[File], place: Place) -> None:
    with zipfile.ZipFile(path) as archive:
        for file in files:
            member = f"{known.archive}{file.published}"
            with archive.open(member) as source:
                _write(source, member, *place(file))  # type: ignore[arg-type]


def _from_tar(path: Path, known: Named, files: Sequence[File], place: Place) -> None:
    with tarfile.open(path, "r:gz") as archive:
        for file in files:
            _write(member_of_tar(archive, known, file), f"{known.archive}{file.published}", *place(file))


def member_of_tar(archive: tarfile.TarFile, known: Named, file: File) -> BinaryIO:
    """One of a set's files in its open tar archive, to be read; KeyError where it is missing or no plain file."""
    member = f"{known.archive}{file.published}"
    source = archive.extractfile(member)
    if source is None:
        raise KeyError(f"{member} is no file")
    return source  # type: ignore[return-value]


def _write(source: BinaryIO, member: str, target: Path, limit: int, check: Callable[[Path], None]) -> None:
    """Put one member of an archive in place, whole and checked."""
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        while piece := source.read(CHUNK):
            if file.tell() + len(piece) > limit:
                raise DataError(f"{member} is larger than the {limit:,} bytes it can have.")
            file.write(piece)
    check(part)
    settle(part, target)


def settle(part: Path, target: Path) -> None:
    """Give a finished file its name, once its bytes are on the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
