"""Digits drawn from strokes in the ways of writing that MNIST lacks, as MNIST would show them.

A habit is a list of strokes, each a chain of control points for a small and for a large form of it; x runs to the
right and y down, in parts of the digit's height. Each picture draws a form between the two, moves every point a little,
turns, slants and stretches the result, and chooses a pen.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.dataset import Data
from featherweight.data.sets import TEN
from featherweight.data.split import Split
from featherweight.errors import UsageError

Floats = NDArray[np.float32]
Chain = Sequence[tuple[float, float]]
SIDE, BOX = 28, 20
"""Pixels: the sides of the picture and of the box that the digit's longer side fills."""
TURN_DEG, SLANT, STRETCH, WOBBLE = 10.0, 0.3, 0.25, 0.03
"""The greatest turn, slant (x per y), logarithm of the width's factor, and move of a control point (of the height)."""
PEN = (1.2, 3.6)
"""The narrowest and the widest pen, in pixels of the finished picture."""
ROUNDS = 2
"""How often the corners of a smooth stroke are cut; each round doubles the segments."""
BATCH = 128
"""Pictures drawn at a time, such that their distances to all segments fit the processor's cache."""
_SHARED = 5
"""Draws of a picture that come before those of its control points."""

_Stroke = tuple[bool, Chain, Chain]
"""Whether it is smooth; its points in the small form and in the large one, as many in both."""


def _line(small: Chain, large: Chain) -> _Stroke:
    return False, small, large


def _curve(small: Chain, large: Chain) -> _Stroke:
    return True, small, large


_FLAGGED = _line([(0.28, 0.22), (0.5, 0.0), (0.5, 1.0)], [(-0.1, 0.6), (0.5, 0.0), (0.5, 1.0)])
_RING = _curve(
    [(0.3, 0.0), (0.08, 0.0), (0.0, 0.5), (0.08, 1.0), (0.52, 1.0), (0.6, 0.5), (0.52, 0.0), (0.3, 0.0)],
    [(0.4, 0.0), (0.02, 0.0), (-0.1, 0.5), (0.02, 1.0), (0.68, 1.0), (0.8, 0.5), (0.68, 0.0), (0.4, 0.0)],
)
_STRAIGHT_SEVEN = _line([(0.1, 0.0), (0.6, 0.0), (0.25, 1.0)], [(0.0, 0.05), (0.7, 0.0), (0.3, 1.0)])

HABITS: dict[str, tuple[int, list[_Stroke]]] = {
    "flagged 1": (1, [_FLAGGED]),
    "flagged 1 with a foot": (1, [_FLAGGED, _line([(0.38, 1.0), (0.62, 1.0)], [(0.2, 1.0), (0.8, 1.0)])]),
    "serif 1": (
        1,
        [
            _line([(0.38, 0.1), (0.5, 0.0), (0.5, 1.0)], [(0.26, 0.22), (0.5, 0.0), (0.5, 1.0)]),
            _line([(0.36, 1.0), (0.64, 1.0)], [(0.15, 1.0), (0.85, 1.0)]),
        ],
    ),
    "crossed 7": (7, [_STRAIGHT_SEVEN, _line([(0.26, 0.52), (0.56, 0.52)], [(0.12, 0.44), (0.76, 0.44)])]),
    "open 4": (
        4,
        [
            _line([(0.12, 0.0), (0.02, 0.5), (0.6, 0.5)], [(0.2, 0.0), (0.0, 0.66), (0.72, 0.66)]),
            _line([(0.5, 0.2), (0.48, 1.0)], [(0.54, 0.05), (0.5, 1.0)]),
        ],
    ),
    "closed 4": (
        4,
        [
            _line(
                [(0.45, 1.0), (0.45, 0.0), (0.08, 0.55), (0.6, 0.55)],
                [(0.5, 1.0), (0.5, 0.0), (0.0, 0.7), (0.75, 0.7)],
            )
        ],
    ),
    "slashed 0": (0, [_RING, _line([(0.12, 0.82), (0.48, 0.18)], [(-0.1, 1.02), (0.8, -0.02)])]),
    "looped 2": (
        2,
        [
            _curve(
                [(0.08, 0.2), (0.2, 0.0), (0.5, 0.0), (0.55, 0.3), (0.3, 0.65), (0.1, 1.02), (-0.06, 0.96),
                 (-0.02, 0.76), (0.2, 0.8), (0.4, 1.0), (0.6, 0.96)],
                [(0.0, 0.24), (0.14, 0.0), (0.6, 0.0), (0.62, 0.34), (0.36, 0.66), (0.06, 1.12), (-0.24, 0.96),
                 (-0.1, 0.6), (0.28, 0.74), (0.5, 1.08), (0.8, 0.9)],
            )
        ],
    ),
}  # fmt: skip
"""The digit and the strokes of each habit. A picture's place decides which it has: they take turns in this order."""


def habit_of(index: int) -> str:
    """The habit of the picture at this place.

    >>> habit_of(0), habit_of(11)
    ('flagged 1', 'crossed 7')
    """
    return list(HABITS)[index % len(HABITS)]


def drawn_strokes(count: int, *, seed: int, purpose: str) -> Split:
    """The first `count` pictures of a series, uint8 [N 1 28 28], and their digits.

    A picture follows from the seed, the purpose (any text, such as "train") and its own place alone, so a longer series
    begins with the shorter one. The longer side of the ink fills 20 pixels; the centre of mass lies in the middle, to
    the nearest whole pixel.

    >>> drawn_strokes(8, seed=0, purpose="example").labels.tolist()
    [1, 1, 1, 7, 4, 4, 0, 2]
    """
    images = np.zeros((count, 1, SIDE, SIDE), dtype=np.uint8)
    labels = np.zeros(count, dtype=np.int64)
    for turn, (digit, strokes) in enumerate(HABITS.values()):
        places = np.arange(turn, count, len(HABITS))
        labels[places] = digit
        for start in range(0, len(places), BATCH):
            part = places[start : start + BATCH]
            images[part, 0] = _pictures(strokes, _draws(part, strokes, seed, purpose))
    return Split(images=torch.from_numpy(images), labels=torch.from_numpy(labels))


def with_strokes(data: Data, count: int) -> Data:
    """The data with the first `count` drawn digits after its training images; what is tested and normalised stays.

    The drawings are the same for every run. Raises UsageError unless the pictures are ten digits, grey, 28 x 28.
    """
    if not count:
        return data
    shape = tuple(data.train.images.shape[1:])
    if shape != (1, SIDE, SIDE) or data.classes != TEN:
        raise UsageError(
            f"Drawn digits can only join pictures of 1 x {SIDE} x {SIDE} of the classes 0 to 9; {data.name} has"
            f" {' x '.join(map(str, shape))} of {len(data.classes)} classes. Set the recipe's strokes to 0."
        )
    drawn = drawn_strokes(count, seed=0, purpose="train")
    images = torch.cat([data.train.images, drawn.images])
    return replace(data, train=Split(images=images, labels=torch.cat([data.train.labels, drawn.labels])))


def _draws(places: NDArray[np.int64], strokes: Sequence[_Stroke], seed: int, purpose: str) -> Floats:
    """Uniform numbers from -1 to 1 for the pictures at these places: [N draws]."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    points = sum(len(small) for _, small, _ in strokes)
    rows = [
        np.random.Generator(np.random.PCG64([seed, key, int(place)])).random(_SHARED + 2 * points) for place in places
    ]
    return (2 * np.array(rows) - 1).astype(np.float32)


def _pictures(strokes: Sequence[_Stroke], draws: Floats) -> NDArray[np.uint8]:
    """One habit's pictures from their draws: [N draws] -> [N 28 28]."""
    form = (draws[:, 0, None, None] + 1) / 2  # 0 is the small form, 1 the large one
    starts, ends, taken = [], [], _SHARED
    for smooth, small, large in strokes:
        moves = draws[:, taken : taken + 2 * len(small)].reshape(len(draws), -1, 2)
        taken += 2 * len(small)
        between = (1 - form) * np.array(small) + form * np.array(large)
        points = _leaning((between + WOBBLE * moves).astype(np.float32), draws)
        for _ in range(ROUNDS * smooth):
            points = _corners_cut(points)
        starts.append(points[:, :-1])
        ends.append(points[:, 1:])
    pen = (PEN[0] + (PEN[1] - PEN[0]) * (draws[:, 4] + 1) / 2).astype(np.float32)
    return _in_mnist_manner(np.concatenate(starts, 1), np.concatenate(ends, 1), pen)


def _leaning(points: Floats, draws: Floats) -> Floats:
    """Points [N P 2] stretched along x, slanted and turned by each picture's draws."""
    turn, slant = np.radians(TURN_DEG) * draws[:, 1, None], SLANT * draws[:, 2, None]
    x = points[..., 0] * np.exp(STRETCH * draws[:, 3, None]) - slant * points[..., 1]
    y = points[..., 1]
    leaning: Floats = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 2)
    return leaning


def _corners_cut(points: Floats) -> Floats:
    """Each corner replaced by points a quarter along its two sides, [N P 2] -> [N 2P 2]; the ends stay.

    Repeated, this tends to a quadratic B-spline (Chaikin, 1974).
    """
    before, after = points[:, :-1], points[:, 1:]
    cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], 2).reshape(len(points), -1, 2)
    return np.concatenate([points[:, :1], cut, points[:, -1:]], 1)


def _in_mnist_manner(starts: Floats, ends: Floats, pen: Floats) -> NDArray[np.uint8]:
    """Segments [N S 2], drawn by round pens of these widths in pixels [N]: uint8 [N 28 28]."""
    every = np.concatenate([starts, ends], 1)
    low, high = every.min(1), every.max(1)  # [N 2]
    scale = (BOX - pen) / (high - low).max(1)  # so the ink, half a pen wider on each side, fills the box
    corner = pen[:, None] / 2
    a, b = ((part - low[:, None]) * scale[:, None, None] + corner[:, None] for part in (starts, ends))
    ink = coverage(a, b, pen)
    size = np.ceil((high - low) * scale[:, None] + pen[:, None] - 1e-3).astype(int)  # [N 2]: x, y
    mass = ink.sum((1, 2))
    moved = np.zeros_like(ink)
    middles = [(ink.sum(3 - axis) @ np.arange(SIDE)) / mass for axis in (1, 2)]
    down, right = (
        np.clip(np.floor(SIDE / 2 + 0.5 - middle), 0, SIDE - size[:, 1 - axis]).astype(int)
        for axis, middle in enumerate(middles)
    )
    for place, (y, x) in enumerate(zip(down, right, strict=True)):
        moved[place, y:, x:] = ink[place, : SIDE - y, : SIDE - x]
    return (moved * 255 + 0.5).astype(np.uint8)


def coverage(starts: Floats, ends: Floats, pen: Floats) -> Floats:
    """The share of each pixel that round pens cover along segments from `starts` to `ends`: [N 28 28], 0 to 1.

    Segments are [N S 2], x and y in pixels from the upper left corner; `pen` [N] are widths. The share is taken from
    the distance of the pixel's centre to the nearest segment, which is exact for an upright edge.
    """
    middles = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    nearest = np.full((len(pen), SIDE, SIDE), np.inf, dtype=np.float32)
    for segment in range(starts.shape[1]):
        a, way = starts[:, segment], ends[:, segment] - starts[:, segment]  # [N 2]
        x = middles[None, None, :] - a[:, 0, None, None]
        y = middles[None, :, None] - a[:, 1, None, None]
        right, down = way[:, 0, None, None], way[:, 1, None, None]
        along = np.clip((x * right + y * down) / np.maximum(right**2 + down**2, 1e-9), 0, 1)
        np.minimum(nearest, (x - along * right) ** 2 + (y - along * down) ** 2, out=nearest)
    shares: Floats = np.clip(pen[:, None, None] / 2 + 0.5 - np.sqrt(nearest), 0, 1)
    return shares
