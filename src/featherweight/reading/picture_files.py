"""Picture files that people name: finds them in folders and by patterns, and reads them with the common decoder."""

import glob
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from featherweight.data.pictures import PIXELS, SIDE, SUFFIXES, WEBP_PIXELS, Picture, PictureError
from featherweight.data.pictures import of_image as image_decoded
from featherweight.data.pictures import read as decoded
from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.escape import printable
from featherweight.io import is_file, is_folder, is_there

__all__ = ["PIXELS", "SIDE", "SUFFIXES", "WEBP_PIXELS", "Picture", "expand_paths", "of_image", "read_picture"]


def expand_paths(names: Iterable[str]) -> list[tuple[str, FeatherweightError | None]]:
    """Every picture file that these names, folders and patterns stand for, each with an error if there is none.

    A folder stands for its pictures, by the endings of their names, sorted; folders within it are not searched.
    """
    found: list[tuple[str, FeatherweightError | None]] = []
    for name in names:
        path = Path(name)
        try:
            if name and is_folder(path):
                inside = sorted(child for child in path.iterdir() if child.suffix.lower() in SUFFIXES)
                inside = [child for child in inside if not child.name.startswith(".")]
                found += [(str(child), None) for child in inside]
                if not inside:
                    problem = (
                        f"The folder {printable(name)} holds no picture ({', '.join(SUFFIXES)}); name one that does."
                    )
                    found.append((name, UsageError(problem)))
                continue
            matches = [] if is_there(path) or not glob.has_magic(name) else sorted(glob.glob(name))  # noqa: PTH207 -- of a whole pattern, absolute or not
        except (OSError, ValueError) as error:
            found.append((name, FileError(f"{printable(name)} could not be read: {_error_reason(error)}.")))
            continue
        found += [(match, None) for match in matches] if matches else [(name, None)]
    return found


def read_picture(path: str) -> Picture:
    """Read a picture file that people name; UsageError if there is none, FileError if it is not a readable picture."""
    try:
        if not is_file(path):  # opening a pipe would wait forever
            missing = "is not a file" if is_there(path) else "does not exist"
            raise UsageError(f"{printable(path)} {missing}; name a picture, or a folder of pictures.")
        return decoded(Path(path))
    except PictureError as error:
        raise FileError(f"{printable(path)} {error}.") from error


def of_image(image: Image.Image) -> Picture:
    """A Pillow image as if it had been read from a file; UsageError if it cannot be decoded."""
    try:
        return image_decoded(image)
    except PictureError as error:
        raise UsageError(f"The picture {error}.") from error


def _error_reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(words.strip().rstrip("."))[:120] or type(error).__name__
