"""From ink to digits: connected pieces, which of them belong together, and in what order they are read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
    """A part of the ink that is taken for one digit."""

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
    lines = _group_lines(_join_pieces(pieces))
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


def _group_lines(pieces: list[Piece]) -> list[list[Piece]]:
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
