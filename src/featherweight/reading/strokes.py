"""Changes strokes of any width to about the width of MNIST's."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.reading.normalise import centre_digit

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
