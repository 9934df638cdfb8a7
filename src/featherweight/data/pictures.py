"""The single decoder of pictures, for training folders and for pictures to predict.

A file may come from anyone. Whatever it claims, it never takes more than about 400 MB and 5 s: its length is checked
first, then everything around its pixels is removed (`containers`), the header gives its size, JPEGs are decoded at a
fraction of their size, and pictures that would not fit are refused. All results are upright, opaque and RGB.
"""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from featherweight.data.containers import MOST_SCANS, Container, ContainerError, essential
from featherweight.escape import printable

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""The decoders of Pillow that may be used, whatever the name of a file."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of picture files in a folder, in lower or upper case."""
FILE_BYTES = 64_000_000
"""The longest file that is read: 20 megapixels of RGB take 60 MB uncompressed."""
WEBP_BYTES = 32_000_000
PIXELS = 20_000_000
"""The most pixels that are decoded at full size; at 4 bytes each, they take 80 MB."""
WEBP_PIXELS = 12_500_000
"""The same for WebP, whose decoder keeps several copies: 16 bytes per pixel, 200 MB."""
JPEG_PIXELS = 120_000_000
"""The same for a sequential JPEG, which can be decoded at an eighth of its size; the largest of phones fit."""
SCANNED_PIXELS = 300_000_000
"""The most pixels times passes of a progressive JPEG."""
SIDE = 1280
"""The longest side of a result, in pixels."""
BLOCK = 1 << 20
"""The number of pixels that are converted to 8 bits at a time."""
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,), 4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,), 6: (Image.Transpose.ROTATE_270,), 7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture."""

    pixels: NDArray[np.uint8]
    """[h w 3], upright, opaque, at most 1280 pixels per side."""
    size: tuple[int, int]
    """Width and height of the upright original."""


class PictureError(ValueError):
    """The reason why a file is not read as a picture, as a clause to follow its name."""


def read(path: Path) -> Picture:
    """The picture in a file; PictureError, with a clause that says why, if it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait forever
            raise PictureError("is not a file" if path.exists() else "does not exist")
        length = path.stat().st_size
        if not 0 < length <= FILE_BYTES:
            few = "is empty: it has 0 bytes"
            raise PictureError(f"has {length:,} bytes, more than the {FILE_BYTES:,} that are read" if length else few)
        with path.open("rb") as file:
            content = file.read(FILE_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a decoder's warnings are not shown; its errors are
            return _decoded(content)
    except PictureError:
        raise
    except (ContainerError, UnidentifiedImageError) as error:
        known = isinstance(error, ContainerError)
        reason = str(error) if known else f"it is none of {', '.join(FORMATS)}"
        raise PictureError(f"is not a readable picture: {reason}") from error
    except MemoryError as error:
        raise PictureError("does not fit into memory") from error
    except Exception as error:  # decoders may raise anything for malformed input
        raise PictureError(f"could not be read: {_reason(error)}") from error


def of_image(image: Image.Image) -> Picture:
    """A Pillow image as if it had been read from a file."""
    upright = ImageOps.exif_transpose(image)
    small = upright if max(upright.size) <= SIDE else _smaller(upright)
    return Picture(pixels=np.array(_plain(small), dtype=np.uint8), size=upright.size)


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(words.strip().rstrip("."))[:120] or type(error).__name__


def _decoded(content: bytes) -> Picture:
    Image.MAX_IMAGE_PIXELS = None  # our own limits are lower, and do not only warn
    held = essential(content)
    del content
    with Image.open(BytesIO(held.content), formats=(held.format,)) as image:
        width, height = image.size
        _require_decodable(image, held)
        if image.format == "JPEG":
            image.draft("RGB" if image.mode != "L" else "L", (SIDE, SIDE))
        image.load()
        plain = _plain(image if max(image.size) <= SIDE else _smaller(image))
    for turn in _TURNS.get(held.orientation, ()):
        plain = plain.transpose(turn)
    upright = (height, width) if held.orientation >= 5 else (width, height)
    return Picture(pixels=np.array(plain, dtype=np.uint8), size=upright)


def _require_decodable(image: Image.Image, held: Container) -> None:
    """Raise PictureError if decoding the picture would take too much memory or time."""
    width, height = image.size
    progressive = bool(image.info.get("progressive"))
    sequential = image.format == "JPEG" and not progressive
    most = JPEG_PIXELS if sequential else WEBP_PIXELS if image.format == "WEBP" else PIXELS
    if progressive:
        scans = min(MOST_SCANS, held.content.count(b"\xff\xda"))
        most = min(most, SCANNED_PIXELS // max(1, scans))
    if width * height > most:
        raise PictureError(f"has {width:,} x {height:,} pixels, more than the {most:,} that are read")
    if image.format == "WEBP" and len(held.content) > WEBP_BYTES:
        raise PictureError(f"has {len(held.content):,} bytes, more than the {WEBP_BYTES:,} that are read of WebP")


def _smaller(image: Image.Image) -> Image.Image:
    """The image reduced by an integer factor; each pixel is the mean of those it replaces."""
    if image.mode in ("1", "P"):  # their values are not brightness
        image = image.convert("RGBA" if "transparency" in image.info else "RGB" if image.mode == "P" else "L")
    elif image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    return image.reduce(-(-max(image.size) // SIDE))


def _plain(image: Image.Image) -> Image.Image:
    """The image as RGB, on white or black paper if it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if "transparency" not in image.info and image.mode not in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    values = np.asarray(image, dtype=np.float32)
    alpha = values[..., 3]
    if not alpha.any():
        return Image.new("RGB", image.size, "white")
    # Light ink on a transparent background was drawn for a dark page.
    light = float((values[..., :3].mean(2) * alpha).sum() / alpha.sum()) > 170 and float((alpha < 128).mean()) > 0.2
    return Image.alpha_composite(Image.new("RGBA", image.size, "black" if light else "white"), image).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The leading 8 bits of pixels with 16 or 32 bits, or floats; Pillow would clip all values above 255."""
    deep = np.asarray(image).reshape(-1)
    blocks = [slice(at, at + BLOCK) for at in range(0, len(deep), BLOCK)]

    def finite(block: slice) -> NDArray[np.float32]:
        return np.nan_to_num(deep[block].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)

    top = max(float(finite(block).max(initial=0.0)) for block in blocks)
    full = 1.0 if top <= 1 and image.mode == "F" else 255.0 if top <= 255 else max(65535.0, top)
    plain = np.empty(len(deep), dtype=np.uint8)
    for block in blocks:
        plain[block] = np.clip(finite(block) / full, 0, 1) * 255 + 0.5
    return Image.fromarray(plain.reshape(image.size[::-1]))
