"""One digit as three people might have written it, so that a network's answers to all three can be averaged."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featherweight.reading.normalise import centre_digit
from featherweight.reading.strokes import pen_width

Floats = NDArray[np.float32]
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
