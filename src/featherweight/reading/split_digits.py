"""Digits that touch: where to cut one piece of ink from top to bottom, through as little ink as possible."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

NARROW, WIDE, THREE, WIDEST = 0.7, 1.2, 1.4, 3.5
"""Limits of width over height: below NARROW it is never two digits; from WIDE on it may be, however surely the whole is
read; above THREE it may be three; above WIDEST it is a line or a scribble."""
DEEPEST = 2
"""How many times parts are cut again, which allows four digits; each level multiplies the parts to read by ten."""
UNSURE, PARTS_SURE, PARTS_SURER = 0.84, 0.86, 0.96
"""A piece with a confidence below UNSURE is two digits if each half has at least PARTS_SURE; a wide piece with a higher
one is, if each half has at least PARTS_SURER. A single 0 cut in two looks like a 1 and a 7, with up to 0.99, but is
itself read with 1.00."""
SHORTEST = 0.5
"""No digit beside another is shorter than this fraction of the whole's height."""
ROWS = 48
"""Cuts are looked for in ink of this height, in pixels."""
SIDEWAYS = 0.08
"""The cost of a step to the side, where a fully inked pixel costs 1: cuts may bend, but do not wind."""
NARROWEST = 0.12
"""No part is narrower than this fraction of the height."""
CUTS = 5
"""How many cuts are tried: the cheapest that are not too close to each other."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the ink that is taken for one of several touching digits."""

    ink: Floats
    """[h w], cropped to the digit."""
    top: int
    left: int
    """Its position in the whole, in pixels of the whole."""


def apart(ink: Floats, sure: Callable[[list[Floats]], NDArray[np.float64]]) -> list[Part]:
    """The digits in a piece of ink, [h w] 0 to 1; a single part, all of it, if it is better read as one digit.

    `sure` gives the confidence, 0 to 1, with which each of a list of pieces is read as a digit.
    """
    return _apart(Part(ink=ink, top=0, left=0), sure, DEEPEST)[0]


def _apart(whole: Part, sure: Callable[[list[Floats]], NDArray[np.float64]], deeper: int) -> tuple[list[Part], float]:
    """The parts, and the lowest confidence among them; they are cut again at most `deeper` times."""
    height, width = whole.ink.shape
    sure_whole = float(sure([whole.ink])[0])
    best, best_sure = [whole], sure_whole
    if width < NARROW * height or width > WIDEST * height or (sure_whole >= UNSURE and width < WIDE * height):
        return best, best_sure
    found_sure, found = 0.0, best
    for cut in cuts(whole.ink):
        halves = [_cropped(half, whole) for half in parted(whole.ink, cut)]
        if any(half.ink.shape[0] < SHORTEST * height for half in halves):
            continue
        if width > THREE * height and deeper > 1:
            several = [_apart(half, sure, deeper - 1) for half in halves]
            parts, least = several[0][0] + several[1][0], min(several[0][1], several[1][1])
        else:
            parts, least = halves, float(sure([half.ink for half in halves]).min())
        if least > found_sure:
            found_sure, found = least, parts
    if found_sure >= (PARTS_SURE if sure_whole < UNSURE else PARTS_SURER):
        return found, found_sure
    return best, best_sure


def _cropped(ink: Floats, whole: Part) -> Part:
    """One half of the whole, without the paper around it."""
    inked = ink > 0.3
    if not inked.any():
        return Part(ink=ink[:0, :0], top=0, left=0)
    rows, columns = (np.flatnonzero(inked.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    part = ink[top : rows[-1] + 1, left : columns[-1] + 1]
    return Part(ink=part, top=whole.top + top, left=whole.left + left)


def cuts(ink: Floats) -> list[NDArray[np.int64]]:
    """Ways to cut the ink, [h w] 0 to 1, cheapest first; each is the first column right of the cut in every row, [h].

    The first cut goes where there is little ink, between two bars:

    >>> bars = np.zeros((48, 40), dtype=np.float32)
    >>> bars[:, 4:9] = bars[:, 30:36] = 1
    >>> bars[20:24] = 1
    >>> bool((cuts(bars)[0] >= 9).all() and (cuts(bars)[0] <= 30).all())
    True
    """
    height, width = ink.shape
    columns = max(3, round(width * ROWS / height))
    small = np.asarray(Image.fromarray(ink).resize((columns, ROWS), Image.Resampling.BOX), dtype=np.float64)
    costs = np.full((ROWS, columns + 2), np.inf)
    costs[0, 1:-1] = small[0]
    steps = np.zeros((ROWS, columns), dtype=np.int64)
    sideways = np.array([SIDEWAYS, 0.0, SIDEWAYS])[:, None]
    for row in range(1, ROWS):
        above = np.stack([costs[row - 1, :-2], costs[row - 1, 1:-1], costs[row - 1, 2:]]) + sideways
        steps[row] = above.argmin(0) - 1
        costs[row, 1:-1] = above.min(0) + small[row]
    ends = costs[-1, 1:-1]
    found: list[NDArray[np.int64]] = []
    taken: list[int] = []
    least = NARROWEST * ROWS
    for end in np.argsort(ends):
        seam = _traced(steps, int(end))
        middle = int(seam.mean())
        if not least < middle < columns - least or any(abs(middle - other) < 0.06 * ROWS for other in taken):
            continue
        taken.append(middle)
        rows = np.minimum((np.arange(height) * ROWS) // height, ROWS - 1)
        found.append(np.rint((seam[rows] + 0.5) * width / columns).astype(np.int64))
        if len(found) == CUTS:
            break
    return found


def parted(ink: Floats, cut: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The ink left and right of a cut, both in the shape of the whole, [h w]."""
    left = np.arange(ink.shape[1]) < cut[:, None]
    return np.where(left, ink, 0).astype(np.float32), np.where(left, 0, ink).astype(np.float32)


def _traced(steps: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """The columns of the cut that ends in column `end` of the last row, from top to bottom."""
    seam = np.empty(len(steps), dtype=np.int64)
    for row in range(len(steps) - 1, -1, -1):
        seam[row] = end
        end += int(steps[row, end])
    return seam
