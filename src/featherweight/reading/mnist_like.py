"""Pictures that already look like MNIST's: 28 x 28, the digit in its box, its centre of mass in the middle."""

import numpy as np
from numpy.typing import NDArray

from featherweight.reading.normalise import BOX, CENTRE, SIDE
from featherweight.reading.strokes import THIN, stroke_width

BLACK = 8
"""The highest value that JPEG compression usually turns 0 into."""


def as_it_is(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The picture as uint8 [28 28] with bright ink, if a network can read it unchanged; otherwise None.

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
