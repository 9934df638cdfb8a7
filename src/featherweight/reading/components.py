"""Connected pieces of ink, and which of them are not writing: frames and circles around it, tables, pens, borders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

RIM, SIDES = 0.08, 0.7
"""A frame has ink within the first fraction of each side of its box, along the second fraction of that side; a 0 has it
along only half."""
FILLED, ROUND, UPRIGHT, TURNS = 0.3, 0.7, 2.5, 36
"""A circle around a digit: the digit has at least FILLED of its height, its width is at least ROUND of its height, and
it has ink in nine tenths of TURNS directions seen from the digit. A dot in a 0 is smaller, and a slash is a bar whose
height is less than UPRIGHT times its width."""
STRAIGHT = 0.15
"""The most width over length of something that may be a pen lying there or the side of a frame."""
HUGGING, NEAR = 0.85, 0.15
"""The border of a scan or the bars of a window have the first fraction of their ink within the second fraction of the
picture's height or width from its sides."""
TALLER = 1.15
"""Two bars of equal height are the sides of a box if they are taller, by this factor, than everything between them."""
LONGER = 1.4
"""Pens and borders are longer than the writing by this factor."""


@dataclass(kw_only=True)
class Piece:
    """A connected component of ink, or several that belong together; positions are in pixels of the reading."""

    labels: list[int]
    top: int
    left: int
    bottom: int
    right: int
    mass: float
    edges: int = 0
    """How many sides of the picture it touches over some length."""
    peak: float = 0.0
    """The contrast of its darkest pixel."""
    border: float = 0.0
    """The share of the picture's edges that it covers."""
    frame: bool = False
    """Whether it runs along all sides of its box."""
    straight: bool = False
    """Whether it is a bar, at any angle."""
    outer: bool = False
    """Whether it is a bar that touches an edge, or stays near the edges: a pen, a border."""

    @property
    def height(self) -> int:
        """In pixels of the reading."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels of the reading."""
        return self.right - self.left

    @property
    def longer(self) -> int:
        """Its longer side."""
        return max(self.height, self.width)

    def joined(self, other: "Piece") -> "Piece":
        """Both as one piece, in the box around them."""
        return Piece(
            labels=self.labels + other.labels,
            top=min(self.top, other.top),
            left=min(self.left, other.left),
            bottom=max(self.bottom, other.bottom),
            right=max(self.right, other.right),
            mass=self.mass + other.mass,
            edges=max(self.edges, other.edges),
            peak=max(self.peak, other.peak),
            border=self.border + other.border,
        )

    def holds(self, other: "Piece") -> bool:
        """Whether the other's box lies within its own."""
        inside = self.top <= other.top and self.left <= other.left
        return other is not self and inside and other.bottom <= self.bottom and other.right <= self.right


def pieces_of(contrast: Floats, labels: Labels, high: float, count: int, drawn: bool) -> list[Piece]:
    """The connected components that contain real ink: contrast of at least `high`."""
    index = np.arange(1, count + 1)
    peaks = ndimage.maximum(_along_strokes(contrast) if drawn else ndimage.uniform_filter(contrast, 3), labels, index)
    masses = ndimage.sum(contrast, labels, index)
    height, width = contrast.shape
    found = []
    for at, box in enumerate(ndimage.find_objects(labels)):
        if peaks[at] < high or box is None:
            continue
        rows, columns = box
        piece = Piece(
            labels=[at + 1],
            top=rows.start,
            left=columns.start,
            bottom=rows.stop,
            right=columns.stop,
            mass=masses[at],
            peak=peaks[at],
        )
        own = labels[box] == at + 1
        touched = (
            own[:2].any(0).sum() * (piece.top <= 1),
            own[-2:].any(0).sum() * (piece.bottom >= height - 1),
            own[:, :2].any(1).sum() * (piece.left <= 1),
            own[:, -2:].any(1).sum() * (piece.right >= width - 1),
        )
        piece.edges = sum(reach > 0.05 * min(height, width) for reach in touched)
        piece.border = float(sum(touched)) / (2 * (height + width))
        piece.frame = _is_frame(own)
        if piece.longer > 0.1 * max(height, width):
            piece.straight = _is_straight(own)
            piece.outer = piece.border > 0 and (piece.straight or _hugs(own, piece, contrast.shape))
        found.append(piece)
    return found


def _along_strokes(contrast: Floats) -> Floats:
    """The mean of three pixels in the direction in which it is greatest: [h w].

    A line one pixel wide counts in full, a single speck only a third.
    """
    ways = (np.eye(3), np.eye(3)[::-1], np.eye(3)[1:2], np.eye(3)[:, 1:2])
    means = [ndimage.convolve(contrast, (way / 3).astype(np.float32)) for way in ways]
    greatest: Floats = np.maximum.reduce(means)
    return greatest


def _is_frame(own: NDArray[np.bool_]) -> bool:
    """Whether a piece [h w] runs along all four sides of its box."""
    height, width = own.shape
    down, right = max(1, round(RIM * height)), max(1, round(RIM * width))
    sides = (own[:down].any(0), own[-down:].any(0), own[:, :right].any(1), own[:, -right:].any(1))
    return min(height, width) > 12 and all(side.mean() > SIDES for side in sides)


def _is_straight(own: NDArray[np.bool_]) -> bool:
    """Whether a piece [h w] is a bar, at any angle: by its extent along and across its principal axis."""
    places = np.argwhere(own).astype(np.float64)
    places -= places.mean(0)
    _, axes = np.linalg.eigh(places.T @ places)
    across, along = np.ptp(places @ axes, axis=0) + 1
    return bool(across < STRAIGHT * along)


def _hugs(own: NDArray[np.bool_], piece: Piece, shape: tuple[int, ...]) -> bool:
    """Whether a piece [h w] stays near the sides of the picture, over at least half of one side."""
    height, width = shape
    if piece.height < height / 2 and piece.width < width / 2:
        return False
    rows, columns = np.arange(piece.top, piece.bottom)[:, None], np.arange(piece.left, piece.right)
    near = np.minimum(rows, height - 1 - rows) < NEAR * height
    near = near | (np.minimum(columns, width - 1 - columns) < NEAR * width)
    return bool((own & near).sum() > HUGGING * own.sum())


def without_frames(pieces: list[Piece], labels: Labels) -> list[Piece]:
    """The pieces without those drawn around others: the box of a form, the border of a canvas, a circle."""

    def around(frame: Piece, other: Piece) -> bool:
        if not frame.holds(other):
            return False
        if frame.frame and other.longer > 0.2 * frame.height:
            return True
        return other.height > FILLED * frame.height and _circles(frame, other, labels)

    pieces = [piece for piece in pieces if not any(around(piece, other) for other in pieces)]
    sides = [
        side for first in pieces for second in pieces if _are_sides(first, second, pieces) for side in (first, second)
    ]
    return [piece for piece in pieces if piece not in sides]


def _are_sides(first: Piece, second: Piece, pieces: list[Piece]) -> bool:
    """Whether two pieces are the remains of a box whose other sides were removed as ruled lines."""
    slack = 0.05 * first.height
    if not (first.straight and second.straight and first.right < second.left):
        return False
    if abs(first.top - second.top) > slack or abs(first.bottom - second.bottom) > slack:
        return False
    between = [other for other in pieces if first.right <= other.left and other.right <= second.left]
    return bool(between) and max(other.longer for other in between) * TALLER < first.height


def _circles(ring: Piece, other: Piece, labels: Labels) -> bool:
    """Whether a piece is a ring around another: ink in nearly all directions, all farther out than the other's ink."""
    slash = other.straight and other.height < UPRIGHT * other.width
    if slash or not ROUND < ring.width / ring.height < 1 / ROUND:
        return False
    rows, columns = np.nonzero(labels[ring.top : ring.bottom, ring.left : ring.right] == ring.labels[0])
    y = rows + ring.top - (other.top + other.bottom) / 2
    x = columns + ring.left - (other.left + other.right) / 2
    if ((np.abs(y) < other.height / 2) & (np.abs(x) < other.width / 2)).mean() > 0.02:
        return False
    turns = np.unique((np.arctan2(y, x) / (2 * np.pi) * TURNS).astype(np.int64) % TURNS)
    return len(turns) >= 0.9 * TURNS


def without_surroundings(pieces: list[Piece], shape: tuple[int, int], drawn: bool) -> list[Piece]:
    """The pieces without those that reach in from outside the picture, unless there are no others."""
    if not pieces:
        return []
    heaviest = max(piece.mass for piece in pieces)
    inner = [piece for piece in pieces if (piece.border < 0.5 if drawn else not piece.edges)]
    size = max((piece.longer for piece in inner), default=0)
    enough = 0.0005 if drawn else 0.01
    if any(piece.mass > enough * heaviest and piece.longer >= 0.5 * size for piece in inner) and size > 0.06 * max(
        shape
    ):
        return inner
    return pieces


def without_outer(pieces: list[Piece], shape: tuple[int, int]) -> list[Piece]:
    """The pieces without pens lying in the picture and borders at its edges, if there is writing inside them."""
    inner = [piece for piece in pieces if not piece.outer and not piece.edges]
    size = max((piece.longer for piece in inner), default=0)
    if size < 0.06 * max(shape):
        return pieces
    return [piece for piece in pieces if not (piece.outer and piece.longer > LONGER * size)]
