"""What is not ink: the surroundings of the sheet, ruled lines and noise, removed before digits are sought."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage


def parting(values: NDArray[np.floating[Any]]) -> float:
    """Otsu's threshold: the level at which two classes differ most, of 64 equal steps from the least value to the
    greatest (1979).

    Values below it are the first class, the others the second:

    >>> parting(np.array([1.0, 2.0, 1.5, 8.0, 9.0])).__round__(3)
    2.125
    """
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middles)
    apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + int(np.argmax(below * above * apart**2))])


Floats = NDArray[np.float32]

PAIRS = ((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3), (5, 8), (4, 7), (3, 6), (1, 4),
         (2, 5), (4, 7), (4, 2), (6, 4), (4, 2))  # fmt: skip
"""The pairs of nine values to sort, step by step, until the fifth is the median (Devillard, 1998)."""


def median3(plane: Floats) -> Floats:
    """The plane [h w] without specks of noise: filtered by a 3 x 3 median, edge pixels repeated outwards.

    Gives the same bits as `scipy.ndimage.median_filter`, which takes nine times as long on 220 x 165 pixels.

    >>> median3(np.array([[0, 0, 0], [0, 9, 0], [5, 5, 5]], dtype=np.float32)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 5.0, 5.0]]
    """
    height, width = plane.shape
    padded = np.pad(plane, 1, mode="edge")
    values = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    for low, high in PAIRS:
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    return values[4]


SIDE = 160
"""Pixels: the longer side of the picture while the sheet is looked for."""
DESK_DARKER = 0.5
"""The surroundings of a sheet are darker than this fraction of its brightness; most shadows are not."""
LEAST, MOST = 0.04, 0.75
"""The share of the picture around the sheet; narrower borders are recognised by their shape, see pieces.py."""
SHARP = 0.5
"""How much of the step in brightness from the sheet to its surroundings happens within six pixels of the reduced
picture. Shadows are softer, and corners darkened by a lens much more so."""
ALONG = 0.15
"""The surroundings of a sheet reach a corner of the picture, cover at least this fraction of an edge there, and are at
least as wide farther in."""
ROUGH = 6
"""The edge of the sheet may be rough by this many pixels of the reduced picture."""


def sheet_alone(image: Floats) -> Floats | None:
    """The photo, [h w 3] 0 to 255, as if its sheet extended to the picture's edges; None if no sheet ends in it.

    A dark bar at the left of grey paper becomes paper:

    >>> photo = np.full((90, 120, 3), 200, dtype=np.float32)
    >>> photo[:, :20] = 50
    >>> float(sheet_alone(photo).min()), sheet_alone(photo[:, 30:]) is None
    (200.0, True)
    """
    height, width = image.shape[:2]
    factor = max(1, -(-max(height, width) // SIDE))
    small = np.stack([_smooth(image[..., channel], factor) for channel in range(3)], 2)
    # Wood is darkest in blue, whereas a shadow darkens every channel equally.
    white = np.maximum(np.quantile(small, 0.9, axis=(0, 1)), 1)
    around = _around(median3((small / white).min(2)))
    if around is None:
        return None
    # The shadow and blur of the edge itself belong to neither side, nor do the corners that the median rounded off.
    around = ndimage.binary_dilation(around, np.ones((3, 3)), iterations=3)
    nearest = ndimage.distance_transform_edt(around, return_distances=False, return_indices=True)
    large = np.asarray(Image.fromarray(around).resize((width, height), Image.Resampling.NEAREST))
    filled = small[nearest[0], nearest[1]]
    planes = [Image.fromarray(filled[..., channel]).resize((width, height), Image.Resampling.BILINEAR)
              for channel in range(3)]  # fmt: skip
    return np.where(large[..., None], np.stack([np.asarray(plane) for plane in planes], 2), image)


def _smooth(plane: Floats, factor: int) -> Floats:
    small = np.asarray(Image.fromarray(plane).reduce(factor), dtype=np.float32)
    return median3(small)


def _around(small: Floats) -> NDArray[np.bool_] | None:
    """The surroundings of the sheet, [h w], by brightness; None if there are none, or if their edge is soft."""
    dark = small < parting(small)
    # A stroke that comes near the edge is not part of the surroundings: it is narrow in the direction of that edge.
    firm = _beside(dark) | _beside(dark.T).T
    if dark.all() or not firm.any() or np.median(small[firm]) > DESK_DARKER * np.median(small[~dark]):
        return None
    if _sharpness(small, firm) < SHARP:
        return None
    around: NDArray[np.bool_] = ndimage.binary_dilation(firm, np.ones((3, 3)), iterations=ROUGH, mask=dark)
    return around if LEAST < around.mean() < MOST else None


def _beside(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dark parts, [h w], above or below the sheet: wide, with a corner of the picture and a long part of its edge.

    A thick stroke cut off by the picture's edge does not include a corner.
    """
    least = max(3, round(ALONG * dark.shape[1]))
    labels, count = ndimage.label(ndimage.binary_opening(dark, np.ones((1, least))))
    reach = np.bincount(np.concatenate([labels[0], labels[-1]]), minlength=count + 1)
    corners = [label for label in labels[[0, 0, -1, -1], [0, -1, 0, -1]] if label and reach[label] >= least]
    kept: NDArray[np.bool_] = np.isin(labels, corners)
    return kept


def _sharpness(small: Floats, around: NDArray[np.bool_]) -> float:
    """The fraction of the step from outside to inside that happens near the edge, along at least three quarters of it.

    The remaining quarter is ignored: strokes that come near the edge are sharp even if the edge is not.
    """
    edge = around & ndimage.binary_dilation(~around)
    if not edge.any():
        return 0.0
    step = ndimage.maximum_filter(small, 7) - ndimage.minimum_filter(small, 7)
    whole = float(np.median(small[~around]) - np.median(small[around]))
    return float(np.quantile(step[edge], 0.25)) / max(whole, 0.01)


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
