"""The last stage before a network: ink of any size becomes the 28 x 28 that MNIST would show.

Only integers decide, so that other languages give the same bytes. For a picture `ink` of h rows and w columns,
0 (paper) to 255 (ink):

1. `peak` is the greatest value; if it is 0, the result is all 0. The box is the smallest that holds every pixel with
   8 * value >= peak: `s` rows by `t` columns. The rest of the picture is dropped.
2. With `long` the greater of s and t, the box becomes m rows by n columns: m = max(1, (40 * s + long) // (2 * long)),
   which is 20 * s / long rounded half up, and n likewise from t. So the longer side is 20.
3. Each new pixel is the sum over the old ones of overlap x value. Along the rows, an old pixel y covers
   [m * y, m * (y + 1)) and a new one i covers [s * i, s * (i + 1)); overlaps are integers. Columns likewise. No sum
   is above 255 * s * t.
4. Brightness is stretched: with `most` the greatest sum, a new pixel is (510 * sum + most) // (2 * most), that is,
   255 * sum / most rounded half up.
5. Its centre of mass goes to row 14 and column 14 (counted from 0, as in MNIST), to the nearest whole pixel: with
   `mass` the sum of all new pixels and `moment` that of each times its row, the first row of the box is
   (29 * mass - 2 * moment) // (2 * mass), but not under 0 nor over 28 - m. Columns likewise.

`//` rounds down. A digit of MNIST comes out unchanged, except for faint pixels at its edges, and for its brightness if
its peak is under 255. A box of fewer than 20 pixels becomes blocks, so enlarge it smoothly first. Nothing here
thickens strokes.
"""

import numpy as np
from numpy.typing import NDArray

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
