"""Picture files that people name: found in folders and by patterns, and read by the one decoder of pictures."""

import glob
from collections.abc import Iterable
from pathlib import Path

from featherweight.data.pictures import PIXELS, SIDE, SUFFIXES, WEBP_PIXELS, Picture, PictureError
from featherweight.data.pictures import read as decoded
from featherweight.errors import FileError
from featherweight.escapes import printable

__all__ = ["PIXELS", "SIDE", "SUFFIXES", "WEBP_PIXELS", "Picture", "files", "read"]


def files(names: Iterable[str]) -> list[tuple[str, FileError | None]]:
    """Every file that these files, folders and patterns name, in order; with an error where there is none.

    Of a folder, its pictures by their names' endings, sorted; folders within it are not entered.
    """
    found: list[tuple[str, FileError | None]] = []
    for name in names:
        path = Path(name)
        try:
            if path.is_dir():
                inside = sorted(child for child in path.iterdir() if child.suffix.lower() in SUFFIXES)
                inside = [child for child in inside if not child.name.startswith(".")]
                found += [(str(child), None) for child in inside]
                if not inside:
                    problem = (
                        f"The folder {printable(name)} holds no picture ({', '.join(SUFFIXES)}); name one that does."
                    )
                    found.append((name, FileError(problem)))
                continue
            matches = [] if path.exists() or not glob.has_magic(name) else sorted(glob.glob(name))  # noqa: PTH207 -- of a whole pattern, absolute or not
        except (OSError, ValueError) as error:
            found.append((name, FileError(f"{printable(name)} could not be read: {_reason(error)}.")))
            continue
        found += [(match, None) for match in matches] if matches else [(name, None)]
    return found


def read(path: str) -> Picture:
    """The picture in a file; FileError says in a sentence why there is none."""
    try:
        return decoded(Path(path))
    except PictureError as error:
        raise FileError(f"{printable(path)} {error}.") from error


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(words.strip().rstrip("."))[:120] or type(error).__name__
