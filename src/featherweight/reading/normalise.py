"""One digit's ink normalised as MNIST's: its size and centre, the width of its stroke, and several views of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SIDE, BOX = 28, 20
"""Pixels: the side of the result, and the side of the box in it that the longer side of the digit fills."""
CENTRE = 14
"""The row and column where the centre of mass is placed."""
EDGE = 8
"""The box holds pixels with at least the greatest ink divided by this. A threshold of a half would cut off the faint
edges of MNIST's own digits; one of 0 would include the blur around an enlarged digit."""


def centre_digit(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The digit as MNIST would show it: uint8 [h w], any size, 0 paper to 255 ink -> uint8 [28 28]. See above.

    Three rows of five inked pixels, the last half as dark: each becomes 4 x 4 new ones. Eight rows of 20 x 255
    and four of 20 x 128 have their centre of mass at row 4.7 of the box, which goes to row 14, so the box begins in
    row 9; its columns begin in 14.5 - 9.5 = 5.

    >>> stroke = np.array([[200] * 5, [200] * 5, [100] * 5], dtype=np.uint8)
    >>> digit = centre_digit(stroke)
    >>> digit[8:22, 14].tolist()
    [0, 255, 255, 255, 255, 255, 255, 255, 255, 128, 128, 128, 128, 0]
    >>> digit[9].tolist().index(255), int((digit > 0).sum())
    (5, 240)
    """
    rows, columns = (_ink_extent(ink, axis) for axis in (1, 0))
    if rows is None or columns is None:
        return np.zeros((SIDE, SIDE), dtype=np.uint8)
    box = ink[rows, columns]
    longer = max(box.shape)
    height, width = (max(1, (2 * BOX * side + longer) // (2 * longer)) for side in box.shape)
    # Integers below 2^53, so these products of floats are exact.
    sums = _overlaps(box.shape[0], height) @ box.astype(np.float64) @ _overlaps(box.shape[1], width).T
    most = int(sums.max())
    small = (510 * sums.astype(np.int64) + most) // (2 * most)
    top, left = _start(small.sum(1)), _start(small.sum(0))
    result = np.zeros((SIDE, SIDE), dtype=np.uint8)
    result[top : top + height, left : left + width] = small
    return result


def _ink_extent(ink: NDArray[np.uint8], across: int) -> slice | None:
    """From the first to the last row (`across` 1) or column (0) of the box; None if there is no ink."""
    if not ink.size or not ink.any():
        return None
    dark = np.flatnonzero(EDGE * ink.max(across).astype(np.int64) >= int(ink.max()))
    return slice(int(dark[0]), int(dark[-1]) + 1)


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """How much of each old pixel each new one covers, in units of 1 / `new` of an old pixel: [new old].

    >>> _overlaps(3, 2).tolist()
    [[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    """
    olds, news = new * np.arange(old), old * np.arange(new)[:, None]
    shared: NDArray[np.int64] = np.minimum(olds + new, news + old) - np.maximum(olds, news)
    return shared.clip(min=0).astype(np.float64)


def _start(profile: NDArray[np.int64]) -> int:
    """The position in the result where the box begins along one side, from its ink summed across."""
    mass, moment = int(profile.sum()), int(profile @ np.arange(len(profile)))
    start = ((2 * CENTRE + 1) * mass - 2 * moment) // (2 * mass)
    return min(max(start, 0), SIDE - len(profile))


Floats = NDArray[np.float32]

WORK = 120
"""Pixels: the longer side of a digit while its stroke is changed."""
THIN, THICK = 0.105, 0.2
"""Limits of the stroke width, as fractions of the longer side; widths outside them are changed to the nearer one."""


def in_mnist_manner(ink: Floats, thin: float = THIN, thick: float = THICK) -> NDArray[np.uint8]:
    """Ink of one digit, [h w] 0 to 1 -> uint8 [28 28] with strokes of MNIST's width."""
    return centre_digit(pen_width(ink, thin, thick))


def pen_width(ink: Floats, thin: float = THIN, thick: float = THICK) -> NDArray[np.uint8]:
    """The ink, [h w] 0 to 1, with its strokes within the limits: uint8, longer side about 120 pixels, soft edges."""
    mask = _enlarged(ink)
    if not mask.any():
        return np.zeros((1, 1), dtype=np.uint8)
    outside, inside = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    signed = np.where(mask, 0.5 - inside, outside - 0.5)
    wide = _width(inside)
    if wide < thin * WORK:
        # The digit grows with its strokes.
        signed = signed - (thin * WORK - wide) / 2 / (1 - thin)
    elif wide > thick * WORK:
        less = min((wide - thick * WORK) / 2, 0.35 * wide)
        ridge = (inside >= ndimage.maximum_filter(inside, 3)) & mask
        kept = ndimage.distance_transform_edt(~ridge) - thick * WORK / 2
        signed = np.minimum(signed + less, np.maximum(kept, signed))
    return np.asarray(np.clip(0.5 - signed, 0, 1) * 255 + 0.5).astype(np.uint8)


def stroke_width(ink: Floats) -> float:
    """The stroke width of a digit, [h w] 0 to 1, as a fraction of its longer side; 0 if it has no ink.

    >>> stroke_width(np.ones((100, 10), dtype=np.float32)).__round__(2)
    0.1
    """
    mask = _enlarged(ink)
    return _width(ndimage.distance_transform_edt(mask)) / WORK if mask.any() else 0.0


def _enlarged(ink: Floats) -> NDArray[np.bool_]:
    """The mask of the ink, with the longer side at 120 pixels and a margin around it."""
    factor = WORK / max(ink.shape)
    size = (max(3, round(ink.shape[1] * factor)), max(3, round(ink.shape[0] * factor)))
    how = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    large = np.asarray(Image.fromarray(ink.astype(np.float32)).resize(size, how))
    mask: NDArray[np.bool_] = np.pad(large, WORK // 6) > 0.4
    return mask


def _width(inside: NDArray[np.float64]) -> float:
    """The stroke width in pixels: in a stroke of width w, the mean distance to the edge is w / 4 plus half a pixel."""
    return 4 * float(inside[inside > 0].mean()) - 2


BLACK = 8
"""The highest value that JPEG compression usually turns 0 into."""


def as_it_is(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """A picture that needs no normalisation, as uint8 [28 28] with bright ink; None if a network cannot read it so.

    `pixels` is uint8 [h w 3]. White on black and black on white are both recognised, by their edges.
    """
    if pixels.shape[:2] != (SIDE, SIDE) or (pixels.max(2).astype(int) - pixels.min(2) > BLACK).any():
        return None
    grey = pixels[..., 1]
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(edge) > 127:
        grey, edge = 255 - grey, 255 - edge
    if np.median(grey) > 0 or grey.max() < 200 or np.mean(edge > BLACK) > 0.05:
        return None
    inked = grey > 48
    rows, columns = (np.flatnonzero(inked.any(axis)) for axis in (1, 0))
    longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    mass = grey.sum(dtype=np.int64)
    middle = [float((grey.sum(axis) * np.arange(SIDE)).sum() / mass) for axis in (1, 0)]
    if abs(longer - BOX) > 1 or any(abs(place - CENTRE) > 1.2 for place in middle):
        return None
    digit = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return grey if stroke_width((digit / 255).astype(np.float32)) > 0.8 * THIN else None


Bytes = NDArray[np.uint8]

BOLD = (0.15, 0.24)
"""Limits of the stroke width for a bolder pen, as in strokes.py."""
STEEPEST = 0.6
"""The steepest slant that is corrected (31 degrees)."""


def views(ink: Floats) -> list[Bytes]:
    """Ink of one digit, [h w] 0 to 1 -> three uint8 [28 28] as in MNIST: unchanged, upright, and with a bolder pen.

    Rotated and stretched views were tried too, and made answers worse.
    """
    plane = pen_width(ink)
    return [centre_digit(plane), centre_digit(upright(plane)), centre_digit(pen_width(ink, *BOLD))]


def upright(plane: Bytes) -> Bytes:
    """Ink [h w] sheared so that its moments show no slant: uint8, wider than before.

    A stroke that leans to the right by one column in two rows ends up in one column, or two if it falls between them:

    >>> leaning = np.zeros((30, 20), dtype=np.uint8)
    >>> leaning[np.arange(30), 17 - np.arange(30) // 2] = 255
    >>> int((upright(leaning).max(0) > 60).sum()) <= 3
    True
    """
    ink = plane.astype(np.float64)
    mass = ink.sum()
    if not mass:
        return plane
    y, x = np.arange(plane.shape[0])[:, None], np.arange(plane.shape[1])
    y = y - (ink * y).sum() / mass
    x = x - (ink * x).sum() / mass
    lean = float((ink * y * x).sum() / max(float((ink * y * y).sum()), 1e-6))
    lean = min(max(lean, -STEEPEST), STEEPEST)
    height, width = plane.shape
    room = int(np.ceil(abs(lean) * height / 2))
    start = -room - lean * height / 2
    how = (1, lean, start, 0, 1, 0)
    sheared = Image.fromarray(plane).transform(
        (width + 2 * room, height), Image.Transform.AFFINE, how, Image.Resampling.BILINEAR
    )
    return np.asarray(sheared)
