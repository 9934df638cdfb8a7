"""The single decoder of pictures: of folders and data sets to train on, and of files and images to predict.

A file may come from anyone. Whatever it claims, it never takes more than about 400 MB and 5 s: its length is checked
first, then everything around its pixels is removed (`containers`), the header gives its size, JPEGs are decoded at a
fraction of their size, and pictures that would not fit are refused. All results are upright, opaque and RGB.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from featherweight.data.containers import MOST_SCANS, Container, ContainerError, essential
from featherweight.errors import UsageError
from featherweight.escape import printable
from featherweight.experiments.record import LONGEST_SIDE, Fitting, Size

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
KEPT_SIDE = 64
"""The longest side, in pixels, of pictures that keep their size without a request."""
FITTINGS = tuple((fitting,) for fitting in get_args(Fitting))
BLOCK = 1 << 20
"""The number of pixels that are converted to 8 bits at a time."""
_TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,), 4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,), 6: (Image.Transpose.ROTATE_270,), 7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture: its pixels, and the size it had in its file."""

    pixels: NDArray[np.uint8]
    """[h w 3], upright, opaque, at most 1280 pixels per side."""
    size: tuple[int, int]
    """Width and height of the upright original."""


class PictureError(ValueError):
    """The reason why a file is not read as a picture, as a clause to follow its name."""


def read(path: Path) -> Picture:
    """Decode the picture in a file; PictureError, with a clause that says why, if it cannot be read."""
    with _picture_errors():
        if not path.is_file():  # opening a pipe would wait forever
            raise PictureError("is not a file" if path.exists() else "does not exist")
        length = path.stat().st_size
        if not 0 < length <= FILE_BYTES:
            few = "is empty: it has 0 bytes"
            raise PictureError(f"has {length:,} bytes, more than the {FILE_BYTES:,} that are read" if length else few)
        with path.open("rb") as file:
            content = file.read(FILE_BYTES)
        return _decoded(content)


def of_image(image: Image.Image) -> Picture:
    """A Pillow image as if it had been read from a file; PictureError if it cannot be decoded.

    The pixels are the same, except that the file of a JPEG of 2,560 or more pixels per side is decoded at a fraction of
    its size.
    """
    with _picture_errors():
        if 0 in image.size:
            raise PictureError(f"has no pixels: it is {image.width} x {image.height}")
        image.load()
        return _upright(image, _held(image))


def _held(image: Image.Image) -> int:
    """How the camera was held, according to Exif; 1 if it does not say, or cannot be read."""
    with suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1


def fit_to_shape(pixels: NDArray[np.uint8], shape: tuple[int, int, int], size: Size = None) -> NDArray[np.uint8]:
    """A picture, [h w] grey or [h w 3], as uint8 [C H W] of this shape, with one channel or three.

    This is how a folder's pictures reach training, when this `size` is requested, and how any picture reaches a network
    afterwards. Sizes are changed before colours are dropped, except for pictures that may keep their own size.
    """
    channels, height, width = shape
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if channels == 1 and size_kept(image.size, size):
        image = image.convert("L")
    if image.size != (width, height):
        image = _resized(image, width, height, fitting_of(size))
    image = image.convert("L" if channels == 1 else "RGB")
    return np.array(image, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def _resized(image: Image.Image, width: int, height: int, fitting: Fitting | None) -> Image.Image:
    """The image in this size, stretched unless there is a way of fitting."""
    (x, y, w, h), (left, top, across, down) = fitted_boxes(image.size, (width, height), fitting)
    image = image.crop((x, y, x + w, y + h)).resize((across, down), Image.Resampling.BILINEAR)
    if (across, down) == (width, height):
        return image
    paper = Image.new(image.mode, (width, height))
    paper.paste(image, (left, top))
    return paper


Box = tuple[int, int, int, int]
"""Left, top, width and height."""


def fitted_boxes(sides: tuple[int, int], to: tuple[int, int], fitting: Fitting | None) -> tuple[Box, Box]:
    """Which part of a picture with these sides, (width, height), comes to which part of one with the sides `to`.

    >>> fitted_boxes((640, 480), (32, 32), "centre"), fitted_boxes((640, 480), (32, 32), "fit")
    (((80, 0, 480, 480), (0, 0, 32, 32)), ((0, 0, 640, 480), (0, 4, 32, 24)))
    """
    if fitting == "centre":
        return _largest(sides, to), (0, 0, *to)
    return (0, 0, *sides), _largest(to, sides) if fitting else (0, 0, *to)


def _largest(within: tuple[int, int], like: tuple[int, int]) -> Box:
    """The middle of `within`, as large as can be in the proportions of `like`; halves of a pixel are rounded up."""
    (width, height), (wide, high) = within, like
    if width * high > height * wide:
        width = max(1, (2 * height * wide + high) // (2 * high))
    else:
        height = max(1, (2 * width * high + wide) // (2 * wide))
    return (within[0] - width) // 2, (within[1] - height) // 2, width, height


def fitting_of(size: Size) -> Fitting | None:
    """How pictures are brought to this size; None if they are stretched."""
    return size[2] if isinstance(size, tuple) and len(size) == 3 else None


FITTING_WORDS = {
    None: "stretched to", "centre": "cut to its middle and brought to", "fit": "fitted, with black beside it, into",
}  # fmt: skip
"""How a picture of other proportions is brought to a size."""


def size_words(size: Size) -> str:
    """The size as --size takes it.

    >>> size_words((32, 48)), size_words((32, 48, "centre")), size_words("own")
    ('32x48', '32x48:centre', 'own')
    """
    if not isinstance(size, tuple):
        return size or ""
    return f"{size[0]}x{size[1]}" + (f":{size[2]}" if len(size) == 3 else "")


def require_size(size: Any) -> None:
    """Raise UsageError unless this can be requested of a data set's pictures."""
    if size in (None, "own"):
        return
    sides = size[:2] if isinstance(size, tuple) and (len(size) == 2 or size[2:] in FITTINGS) else ()
    if not sides or not all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in sides):
        raise UsageError(
            f"A size is (height, width), two whole numbers from 1 to {LONGEST_SIDE:,}, and perhaps centre or fit;"
            f" given {size!r:.60}."
        )


def size_kept(sides: tuple[int, int], size: Size) -> bool:
    """Whether a picture with these sides may keep its size where this one is requested of its data set."""
    return not isinstance(size, tuple) and (size == "own" or max(sides) <= KEPT_SIDE)


def greyed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture [h w 3] without its channels, [h w], if they are all the same; otherwise unchanged."""
    return pixels[..., 0] if bool((pixels[..., :1] == pixels[..., 1:]).all()) else pixels


@contextmanager
def _picture_errors() -> Iterator[None]:
    """Raises PictureError for whatever is raised within, and hides warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a decoder's warnings are not shown; its errors are
            yield
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


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(words.strip().rstrip("."))[:120] or type(error).__name__


def _decoded(content: bytes) -> Picture:
    held = essential(content)
    del content
    with Image.open(BytesIO(held.content), formats=(held.format,)) as image:
        size = image.size
        _require_decodable(image, held)
        if image.format == "JPEG":
            image.draft("RGB" if image.mode != "L" else "L", (SIDE, SIDE))
        image.load()
        return _upright(image, held.orientation, size)


def _upright(image: Image.Image, orientation: int, size: tuple[int, int] | None = None) -> Picture:
    """The image as a picture, turned as Exif says; `size` is that of the original if the image was reduced already."""
    width, height = size or image.size
    plain = _opaque(image if max(image.size) <= SIDE else _smaller(image))
    for turn in _TURNS.get(orientation, ()):
        plain = plain.transpose(turn)
    upright = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
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
    if image.mode in ("1", "P", "PA", "HSV"):  # the mean of their values is not that of their colours
        clear = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if clear else "L" if image.mode == "1" else "RGB")
    elif image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    return image.reduce(-(-max(image.size) // SIDE))


def _opaque(image: Image.Image) -> Image.Image:
    """The image as RGB, on white or black paper if it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if "transparency" not in image.info and image.mode not in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGB")
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
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
