"""Ruled and squared paper: finds straight thin lines from one edge of the picture to the other and removes them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

STEEPEST = 0.14
"""Lines are looked for up to this slope (8 degrees) in either direction."""
SLOPES = 29
COVERED = 0.62
"""A line is inked over at least this share of the picture. It is not all of it because ruled lines are faint in
places; the straight strokes of a digit cover less."""
ALONE = 0.85
"""A line without a second one beside it must cover at least this share."""
DARKER = 1.45
"""Anything with this many times the contrast of a line is ink on the line."""
THICKEST = 0.03
"""A fraction of the shorter side; anything thicker is not a ruled line."""


def without_lines(contrast: Floats, floor: float, fewest: int = 1) -> Floats:
    """The contrast [h w] without its ruled lines; `floor` is a level that noise does not reach.

    Fewer lines in one direction than `fewest` do not count as ruled lines: if the picture is cropped to a digit, its
    own strokes may run from edge to edge.

    Ink that crosses a line stays if it is darker than the line; otherwise the gap is closed from both sides.
    """
    for turned in (False, True):
        plane = contrast.T if turned else contrast
        cleaned = _without_rows(plane, floor, fewest)
        if cleaned is not plane:
            contrast = cleaned.T if turned else cleaned
    return contrast


def _without_rows(contrast: Floats, floor: float, fewest: int) -> Floats:
    height, width = contrast.shape
    marked = contrast > floor
    # One pixel of slack up and down, for lines that are not quite straight.
    slack = ndimage.maximum_filter1d(marked, 3, axis=0)
    columns = np.arange(width) - width // 2
    best, slopes = np.zeros(height), np.zeros(height)
    down, across = np.nonzero(slack)
    places = (down.astype(np.int64), across.astype(np.int64))
    for slope in np.linspace(-STEEPEST, STEEPEST, SLOPES):
        covered = _along(places, slope, columns, height)
        better = covered > best
        best[better], slopes[better] = covered[better], slope
    thickest = max(3, round(THICKEST * min(height, width)))
    lines = []
    for first, last in _flag_runs(best >= COVERED):
        middle = first + int(np.argmax(best[first:last]))
        if last - first <= 2 * thickest + 2 and _reaches_both_ends(slack, middle, slopes[middle], columns):
            lines.append(middle)
    if len(lines) < fewest or (len(lines) == 1 and best[lines[0]] < ALONE):
        return contrast
    cleaned = contrast
    for middle in lines:
        cleaned = _erased(cleaned, middle, slopes[middle], columns, thickest)
    return cleaned


def _reaches_both_ends(marked: NDArray[np.bool_], middle: int, slope: float, columns: Whole) -> bool:
    """Whether the line also exists at both of its ends, as far as these are in the picture."""
    rows = middle + np.rint(slope * columns).astype(np.int64)
    inside = (rows >= 0) & (rows < len(marked))
    hit = marked[rows[inside], np.flatnonzero(inside)]
    end = max(3, len(hit) // 10)
    return bool(hit[:end].mean() > 0.5 and hit[-end:].mean() > 0.5)


def _along(places: tuple[Whole, Whole], slope: float, columns: Whole, height: int) -> NDArray[np.float64]:
    """The share of the sloping line through each row of the middle column that is marked: [h].

    `places` are the rows and columns of the marked pixels: these are few, so each is assigned to its line.
    """
    falls = np.rint(slope * columns).astype(np.int64)
    starts = places[0] - falls[places[1]]
    hit = np.bincount(starts[(starts >= 0) & (starts < height)], minlength=height)
    # In each column, lines through the rows from -fall to height - fall of the middle column are in the picture.
    steps = np.zeros(height + 1, dtype=np.int64)
    np.add.at(steps, np.clip(-falls, 0, height), 1)
    np.add.at(steps, np.clip(height - falls, 0, height), -1)
    share: NDArray[np.float64] = hit / np.maximum(np.cumsum(steps)[:height], len(columns) // 2)
    return share


def _flag_runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of consecutive flags that are set: the first index, and one past the last."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _erased(contrast: Floats, middle: int, slope: float, columns: Whole, thickest: int) -> Floats:
    """The contrast without the line through this row of the middle column."""
    height, width = contrast.shape
    reach = thickest + 3
    centre = middle + np.rint(slope * columns).astype(np.int64)
    offsets = np.arange(-reach, reach + 1)
    rows = centre + offsets[:, None]
    band = contrast[np.clip(rows, 0, height - 1), np.arange(width)]
    # The profile of the line itself: the median along it, since digits cover little of it. It may wander by a pixel.
    profile = np.median(band, axis=1)
    paper = min(float(np.median(profile[:2])), float(np.median(profile[-2:])))
    own = profile - paper > 0.25 * (profile.max() - paper)
    inside = np.flatnonzero(own)
    if not len(inside) or inside[-1] - inside[0] > thickest + 2:
        return contrast
    first, last = max(1, inside[0] - 1), min(len(offsets) - 2, inside[-1] + 1)
    above, below = band[max(0, first - 2) : first].min(0), band[last + 1 : last + 3].min(0)
    # The line may wander by a pixel, so its level is that of its darkest pixel in each column.
    level = float(np.median(band[first : last + 1].max(0)))
    # Strokes may cross at a slant, so neighbours count too.
    spread = (last - first + 1) | 1
    bridge = np.minimum(ndimage.maximum_filter1d(above, spread), ndimage.maximum_filter1d(below, spread))
    filled = np.where(band[first : last + 1] > DARKER * level, band[first : last + 1], bridge)
    result = contrast.copy()
    kept = rows[first : last + 1]
    valid = (kept >= 0) & (kept < height)
    across = np.broadcast_to(np.arange(width), kept.shape)
    result[kept[valid], across[valid]] = np.minimum(filled, band[first : last + 1])[valid]
    return result
