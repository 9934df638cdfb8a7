"""What a network's first layers do to a picture, in whole numbers: the same bytes as in the C program.

`networks.layers.preprocessing` defines deskewing. Here the slant is in units of 2^-12, the centre of the ink and each
row's shift in units of 2^-8 pixels, and all of them are rounded; a pixel is rounded once, when it is interpolated.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.experiments.augmentation import Preprocessing

SLANT_BITS, SHIFT_BITS = 12, 8
FLATTEST_BITS = 4
"""The least variance that a slant is measured against is 2^-4 square pixels."""
Integers = NDArray[np.int64]


def preprocess_bytes(pictures: Tensor, by: Preprocessing) -> Tensor:
    """Pictures, uint8 [N C H W], as the first weight gets them, in bytes as well; one channel if they are deskewed."""
    if by.deskew:
        pictures = torch.from_numpy(_deskew_integers(pictures[:, 0].numpy().astype(np.int64)).astype(np.uint8))[:, None]
    height, width = pictures.shape[2:]
    return pictures[:, :, by.crop : height - by.crop, by.crop : width - by.crop]


def _deskew_integers(pictures: Integers) -> Integers:
    """Pictures [N H W] without their slant."""
    width = pictures.shape[2]
    lowest = pictures.min((1, 2))[:, None, None]
    shifts = _shifts(pictures - lowest)  # [N H]
    padded = np.pad(pictures - lowest, ((0, 0), (0, 0), (1, 1)))
    left = np.arange(width) + (shifts >> SHIFT_BITS)[:, :, None]
    one, other = (np.take_along_axis(padded, np.clip(left + n, 0, width + 1), 2) + lowest for n in (1, 2))
    part = (shifts & (1 << SHIFT_BITS) - 1)[:, :, None]
    found: Integers = (one * ((1 << SHIFT_BITS) - part) + other * part + (1 << SHIFT_BITS >> 1)) >> SHIFT_BITS
    return found


def _shifts(ink: Integers) -> Integers:
    """How far to the right each row's pixels are taken from, [N H] in units of 2^-8 pixels; `ink` is [N H W]."""
    height, width = ink.shape[1:]
    rows = np.arange(height)
    mass, moment = ink.sum(2), (ink * np.arange(width)).sum(2)  # [N H]
    total, down, aside = mass.sum(1), (mass * rows).sum(1), moment.sum(1)
    # Times the mass, twice: covariance and variance.
    covariance = total * (moment * rows).sum(1) - down * aside
    variance = np.maximum(total * (mass * rows * rows).sum(1) - down * down, total * total >> FLATTEST_BITS)
    variance = np.maximum(variance, 1)
    steep = np.minimum(np.abs(covariance), variance)
    slant = np.sign(covariance) * (((steep << SLANT_BITS) + variance // 2) // variance)
    some = np.maximum(total, 1)
    centre = ((down << SHIFT_BITS) + some // 2) // some
    turned = slant[:, None] * ((rows << SHIFT_BITS) - centre[:, None])
    found: Integers = (turned + (1 << SLANT_BITS >> 1)) >> SLANT_BITS
    return found
