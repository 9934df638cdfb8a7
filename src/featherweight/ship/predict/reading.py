"""Picture files, from anybody: found, checked before they are decoded, and brought upright onto paper.

Whatever a file claims, no more than some 200 MB are ever taken for it: its header is read first, JPEGs are decoded at a
fraction of their size, and what would not fit is refused.
"""

import glob
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.files import printable

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""Pillow's decoders that may be used, whatever a file is called."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""What is taken for a picture in a folder, in capitals too."""
PIXELS = 20_000_000
"""No picture of more is decoded whole; at 4 bytes each, 80 MB."""
WEBP_PIXELS = 12_500_000
"""WebP's decoder keeps several copies: 16 bytes for each pixel, 200 MB."""
JPEG_PIXELS = 120_000_000
"""A sequential JPEG is decoded at an eighth of its size, if need be, so phones' largest can be read."""
SIDE = 1280
"""Pixels: the longer side of what is given on, at most."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that was read."""

    pixels: NDArray[np.uint8]
    """[h w 3], upright, opaque, of at most 1280 pixels a side."""
    size: tuple[int, int]
    """Width and height of the upright original."""


def files(names: Iterable[str]) -> list[tuple[str, FeatherweightError | None]]:
    """Every file that these files, folders and patterns name, in order; with an error where there is none.

    Of a folder, its pictures by their names' endings, sorted; folders within it are not entered.
    """
    found: list[tuple[str, FeatherweightError | None]] = []
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
                    found.append((name, UsageError(problem)))
                continue
            matches = [] if path.exists() or not glob.has_magic(name) else sorted(glob.glob(name))  # noqa: PTH207 -- of a whole pattern, absolute or not
        except (OSError, ValueError) as error:
            found.append((name, FileError(f"{printable(name)} could not be read: {_reason(error)}.")))
            continue
        found += [(match, None) for match in matches] if matches else [(name, None)]
    return found


def read(path: str) -> Picture:
    """The picture in a file; UsageError when there is no such file, FileError when there is no picture in it."""
    try:
        if not Path(path).is_file():  # opening a pipe would wait for ever
            missing = "is not a file" if Path(path).exists() else "does not exist"
            raise UsageError(f"{printable(path)} {missing}; name a picture, or a folder of pictures.")
        if Path(path).stat().st_size == 0:
            raise FileError(f"{printable(path)} is empty: it has 0 bytes; save the picture again.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a decoder has to say of a file goes into its error, or nowhere
            return _decoded(path)
    except (FileError, UsageError):
        raise
    except UnidentifiedImageError as error:
        raise FileError(
            f"{printable(path)} is no picture that can be read: it is none of {', '.join(FORMATS)}."
        ) from error
    except MemoryError as error:
        raise FileError(f"{printable(path)} does not fit into memory; make the picture smaller.") from error
    except Exception as error:  # decoders raise anything when their input is made up
        raise FileError(f"{printable(path)} could not be read: {_reason(error)}.") from error


def of_image(image: Image.Image) -> Picture:
    """A picture of Pillow's as if it had been read from a file."""
    upright = ImageOps.exif_transpose(image)
    small = upright if max(upright.size) <= SIDE else _smaller(upright)
    return Picture(pixels=np.array(_plain(small), dtype=np.uint8), size=upright.size)


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(words.strip().rstrip("."))[:120] or type(error).__name__


def _decoded(path: str) -> Picture:
    Image.MAX_IMAGE_PIXELS = None  # our own limits are lower, and do not only warn
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        sequential = image.format == "JPEG" and not image.info.get("progressive")
        most = JPEG_PIXELS if sequential else WEBP_PIXELS if image.format == "WEBP" else PIXELS
        if width * height > most:
            raise FileError(
                f"{printable(path)} has {width:,} x {height:,} pixels, more than the {most:,} that are read;"
                " make the picture smaller."
            )
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        if image.format == "JPEG":
            image.draft("RGB" if image.mode != "L" else "L", (SIDE, SIDE))
        image.load()
        small = image if max(image.size) <= SIDE else _smaller(image)
        plain = _plain(small)
        upright = ImageOps.exif_transpose(_with_exif(plain, image))
        pixels = np.array(upright, dtype=np.uint8)
    return Picture(pixels=pixels, size=(height, width) if turned else (width, height))


def _with_exif(plain: Image.Image, image: Image.Image) -> Image.Image:
    plain.info["exif"] = image.getexif().tobytes()
    return plain


def _smaller(image: Image.Image) -> Image.Image:
    """The image at a whole fraction of its size; each pixel the mean of those it stands for."""
    if image.mode in ("1", "P"):  # whose values are no brightness
        image = image.convert("RGBA" if "transparency" in image.info else "RGB" if image.mode == "P" else "L")
    if image.mode.startswith("I;16"):
        return _eight_bits(image).reduce(-(-max(image.size) // SIDE))
    return image.reduce(-(-max(image.size) // SIDE))


def _plain(image: Image.Image) -> Image.Image:
    """The image as RGB, on paper where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if "transparency" not in image.info and image.mode not in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    values = np.asarray(image, dtype=np.float32)
    alpha = values[..., 3]
    if not alpha.any():
        return Image.new("RGB", image.size, "white")
    # Light ink on nothing was drawn for a dark page.
    light = float((values[..., :3].mean(2) * alpha).sum() / alpha.sum()) > 170 and float((alpha < 128).mean()) > 0.2
    return Image.alpha_composite(Image.new("RGBA", image.size, "black" if light else "white"), image).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Of 16 bits a pixel, or 32, or floats, the leading eight; Pillow would cut off all above 255."""
    deep = np.asarray(image).astype(np.float32)
    deep = np.nan_to_num(deep, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(deep.max(initial=0.0))
    full = 1.0 if top <= 1 and image.mode == "F" else 255.0 if top <= 255 else max(65535.0, top)
    return Image.fromarray((np.clip(deep / full, 0, 1) * 255 + 0.5).astype(np.uint8))
