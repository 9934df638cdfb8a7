"""Strokes of any width brought to about that of MNIST's."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.predict.normalise import normalise

Floats = NDArray[np.float32]

WORK = 120
"""Pixels: the longer side of a digit while its stroke is changed."""
THIN, THICK = 0.085, 0.15
"""A stroke's width in parts of the longer side; what is outside these limits is brought to them."""


def in_mnist_manner(ink: Floats, thin: float = THIN, thick: float = THICK) -> NDArray[np.uint8]:
    """Ink of one digit, [h w] 0 to 1 -> uint8 [28 28] with strokes of MNIST's width."""
    return normalise(pen_width(ink, thin, thick))


def pen_width(ink: Floats, thin: float = THIN, thick: float = THICK) -> NDArray[np.uint8]:
    """The ink with its longer side at 120 pixels and its strokes within the limits: uint8, soft edges."""
    factor = WORK / max(ink.shape)
    size = (max(3, round(ink.shape[1] * factor)), max(3, round(ink.shape[0] * factor)))
    how = Image.Resampling.BICUBIC if factor > 1 else Image.Resampling.BOX
    margin = WORK // 6
    large = np.pad(np.asarray(Image.fromarray(ink).resize(size, how)), margin)
    mask = large > 0.4
    if not mask.any():
        return np.zeros((1, 1), dtype=np.uint8)
    outside, inside = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    # Of a stroke of width w, the distance to its edge is w / 4 on average.
    wide = 4 * float(inside[mask].mean()) - 1
    signed = np.where(mask, 0.5 - inside, outside - 0.5)
    # As the stroke grows, so does the digit.
    if wide < thin * WORK:
        signed = signed - (thin * WORK - wide) / 2 / (1 - thin)
    elif wide > thick * WORK:
        less = min((wide - thick * WORK) / 2, 0.35 * wide)
        ridge = (inside >= ndimage.maximum_filter(inside, 3)) & mask
        kept = ndimage.distance_transform_edt(~ridge) - thick * WORK / 2
        signed = np.minimum(signed + less, np.maximum(kept, signed))
    return np.asarray(np.clip(0.5 - signed, 0, 1) * 255 + 0.5).astype(np.uint8)
