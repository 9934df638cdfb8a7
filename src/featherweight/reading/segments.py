"""From ink to digits: which pieces belong together, in reading order, and where touching digits are separated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.reading.binarize import Ink
from featherweight.reading.components import Piece, pieces_of, without_frames, without_outer, without_surroundings

Floats = NDArray[np.float32]

INKED = 0.45
"""Pixels with at least this fraction of the ink's level are ink; connected ones need only two thirds of it."""
SMALLEST, SMALLEST_DRAWN, SMALLEST_PX = 0.02, 0.008, 5
"""No digit is smaller than this fraction of the longer side (of a photo, of a drawing), or than so many pixels."""
CORNERS = 0.2
"""Pieces that meet corner to corner and are nearer than this fraction of the taller one's height are one stroke
with a gap."""
SURROUNDINGS = 0.04
"""In a photo, anything that covers more of the picture's edges is a desk or a shadow."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A segment: the part of the ink that is taken for one digit."""

    ink: Floats
    """[h w], 0 to 1: only the pieces of this digit, cropped to them."""
    top: int
    left: int
    mass: float
    """Its share of all ink in the picture."""
    strength: float
    """The contrast of its darkest pixel, as a fraction of the darkest in the picture."""
    edges: int
    """How many sides of the picture it touches over some length."""
    border: float
    """The share of the picture's edges that it covers."""
    shape: tuple[int, int]
    """Height and width of the whole reading, in pixels."""

    @property
    def height(self) -> int:
        """In pixels of the reading."""
        return int(self.ink.shape[0])

    @property
    def width(self) -> int:
        """In pixels of the reading."""
        return int(self.ink.shape[1])

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.left + self.width


def segments(ink: Ink) -> list[Segment]:
    """The digits of a reading, in reading order; none if there are only specks."""
    contrast = ink.contrast
    high = max(INKED, 5 * ink.noise)
    labels, count = ndimage.label(contrast > high * 0.66, np.ones((3, 3)))
    if not count:
        return []
    pieces = pieces_of(contrast, labels, high, count, ink.drawn)
    everything = pieces = without_outer(without_frames(pieces, labels), contrast.shape)
    pieces = without_surroundings(pieces, contrast.shape, ink.drawn)
    if not pieces:
        return []
    pieces = _without_specks(pieces)
    least = max(SMALLEST_PX * ink.scale, (SMALLEST_DRAWN if ink.drawn else SMALLEST) * max(contrast.shape))
    if max(piece.longer for piece in pieces) < least:
        return []
    # Ink that is left out counts towards the total, but the surroundings in a photo are not ink.
    total = sum(piece.mass for piece in everything if ink.drawn or piece.border < SURROUNDINGS)
    total = max(total, sum(piece.mass for piece in pieces))
    darkest = max(piece.peak for piece in everything)
    lines = _text_lines(_join_pieces(pieces))
    return [_segment(piece, labels, contrast, total, darkest) for line in lines for piece in line]


def _without_specks(pieces: list[Piece]) -> list[Piece]:
    """The pieces without those that are tiny compared with the rest."""
    tallest = max(piece.longer for piece in pieces)
    heaviest = max(piece.mass for piece in pieces)
    strongest = max(piece.peak for piece in pieces if piece.mass >= 0.1 * heaviest)
    return [
        piece
        for piece in pieces
        if piece.mass >= 0.025 * heaviest and piece.longer >= 0.12 * tallest and piece.peak >= 0.55 * strongest
    ]


def _join_pieces(pieces: list[Piece]) -> list[Piece]:
    """The pieces with those of one digit joined: pieces above each other, and small ones with their neighbour."""
    pieces = sorted(pieces, key=lambda piece: -piece.mass)
    changed = True
    while changed:
        changed = False
        for first in range(len(pieces)):
            for second in range(len(pieces) - 1, first, -1):
                if _belong(pieces[first], pieces[second]):
                    pieces[first] = pieces[first].joined(pieces.pop(second))
                    changed = True
    tallest = max(piece.height for piece in pieces)
    return [piece for piece in pieces if piece.height >= 0.35 * tallest or len(pieces) == 1]


def _belong(large: Piece, small: Piece) -> bool:
    """Whether two pieces are parts of one digit."""
    across = min(large.right, small.right) - max(large.left, small.left)
    down = min(large.bottom, small.bottom) - max(large.top, small.top)
    tall, narrow = max(large.height, small.height), max(1, min(large.width, small.width))
    gap_across, gap_down = -across, -down
    if across > 0.4 * narrow and gap_down < 0.35 * tall:
        # One close above the other: parts of a digit, unless each is as tall as a digit on a line of its own.
        return gap_down < 0.12 * tall or min(large.height, small.height) < 0.6 * tall
    shorter = min(large.height, small.height)
    if across <= 0.4 * narrow and down < 0.2 * shorter and max(gap_across, gap_down) < CORNERS * tall:
        return True
    if shorter < 0.5 * tall and gap_across < 0.3 * tall and down > 0.3 * shorter:
        return True
    return gap_across < 0.02 * tall and down > 0.3 * shorter and shorter < 0.6 * tall


def _text_lines(pieces: list[Piece]) -> list[list[Piece]]:
    """The pieces of each line, from left to right; lines from top to bottom."""
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.top + piece.bottom):
        middle = (piece.top + piece.bottom) / 2
        for line in lines:
            if any(other.top < middle < other.bottom for other in line):
                line.append(piece)
                break
        else:
            lines.append([piece])
    return [sorted(line, key=lambda piece: piece.left) for line in lines]


def _segment(piece: Piece, labels: NDArray[np.int32], contrast: Floats, total: float, darkest: float) -> Segment:
    box = (slice(piece.top, piece.bottom), slice(piece.left, piece.right))
    own = np.isin(labels[box], piece.labels)
    ink = np.where(own, np.clip(contrast[box], 0, 1), 0).astype(np.float32)
    return Segment(
        ink=ink,
        top=piece.top,
        left=piece.left,
        mass=piece.mass / total,
        strength=piece.peak / darkest,
        edges=piece.edges,
        border=piece.border,
        shape=contrast.shape,
    )


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
    """A part of a segment that is taken for one of several touching digits."""

    ink: Floats
    """[h w], cropped to the digit."""
    top: int
    left: int
    """Its position in the whole, in pixels of the whole."""


def apart(ink: Floats, sure: Callable[[list[Floats]], NDArray[np.float64]]) -> list[Part]:
    """Separate touching digits in a piece of ink, [h w] 0 to 1; a single part, all of it, if it is better read as one
    digit.

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
    """Ways to cut touching digits apart in ink [h w], 0 to 1, cheapest first; each is the first column right of the cut
    in every row, [h].

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
