"""Ways of writing that MNIST's writers hardly have, as drawings on a large canvas: one kind for each.

The shapes are set down here anew and drawn by Pillow with the pens of hands.py, so they share no code and no number
with the strokes that `reader` is trained on.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from .glyphs import Floats, Glyph, varied
from .hands import Pen, Rng, penned
from .media import as_image

Path = Sequence[tuple[float, float]]
SIDE = 280
"""Pixels: the canvas is so wide and so high."""
POINTS = 40
"""On each straight piece of a path, so that the pen's swelling shows."""


def _ellipse(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    return [(x + wide * np.sin(turn), y - high * np.cos(turn)) for turn in np.linspace(0, 2 * np.pi, 25)]


def _bend(*points: tuple[float, float]) -> list[tuple[float, float]]:
    """A Bezier curve of the degree that the number of points gives (de Casteljau)."""
    found = []
    for share in np.linspace(0, 1, 20):
        left = np.array(points, dtype=float)
        while len(left) > 1:
            left = left[:-1] * (1 - share) + left[1:] * share
        found.append((float(left[0, 0]), float(left[0, 1])))
    return found


def plain_one(rng: Rng) -> list[Path]:
    """1, a single stroke, as MNIST has it."""
    return [[(0.1 + rng.uniform(-0.1, 0.1), 0.0), (0.0, 1.0)]]


def flagged_one(rng: Rng) -> list[Path]:
    """1 with a flag of a quarter to two thirds of its height."""
    down, out = rng.uniform(0.25, 0.67), rng.uniform(0.2, 0.55)
    return [[(0.5 - out, down), (0.5, 0.0), (0.5 + rng.uniform(-0.06, 0.04), 1.0)]]


def serif_one(rng: Rng) -> list[Path]:
    """1 with a small flag and a foot, as in print."""
    foot = rng.uniform(0.14, 0.34)
    return [[(0.5 - rng.uniform(0.12, 0.24), rng.uniform(0.1, 0.24)), (0.5, 0.0), (0.5, 1.0)],
            [(0.5 - foot, 1.0), (0.5 + foot, 1.0)]]  # fmt: skip


def crossed_seven(rng: Rng) -> list[Path]:
    """7 with a bar through its stem."""
    bar, reach = rng.uniform(0.42, 0.58), rng.uniform(0.12, 0.26)
    stem = 0.6 - 0.36 * bar
    return [[(0.02, rng.uniform(0.0, 0.08)), (0.6, 0.0), (0.24, 1.0)],
            [(stem - reach, bar + 0.02), (stem + reach, bar - 0.02)]]  # fmt: skip


def open_four(rng: Rng) -> list[Path]:
    """4 of two strokes that leave it open at the top."""
    bar = rng.uniform(0.48, 0.68)
    return [[(0.14, 0.0), (0.04, bar), (0.62, bar)], [(0.48, rng.uniform(0.05, 0.3)), (0.46, 1.0)]]


def closed_four(rng: Rng) -> list[Path]:
    """4 of one stroke, with a closed triangle."""
    bar = rng.uniform(0.56, 0.72)
    return [[(0.46, 1.0), (0.44, 0.0), (0.0, bar), (0.64, bar)]]


def slashed_zero(rng: Rng) -> list[Path]:
    """0 with a slash through it."""
    wide, beyond = rng.uniform(0.26, 0.4), rng.uniform(-0.1, 0.08)
    return [_ellipse(0.4, 0.5, wide, 0.5), [(0.4 - wide - beyond, 0.88), (0.4 + wide + beyond, 0.12)]]


def looped_two(rng: Rng) -> list[Path]:
    """2 with a loop at its lower left."""
    loop = rng.uniform(0.08, 0.2)
    return [[*_bend((0.04, 0.24), (0.16, -0.12), (0.66, -0.06), (0.6, 0.36), (0.3, 0.66), (0.14, 0.9)),
             *_bend((0.14, 0.9), (0.02, 1.06), (-0.14, 0.98), (-0.1, 0.9 - loop), (0.2, 0.86 - loop), (0.4, 1.12),
                    (0.66, 0.94))]]  # fmt: skip


HABITS = {
    "plain 1": (1, plain_one),
    "flagged 1": (1, flagged_one),
    "serif 1": (1, serif_one),
    "crossed 7": (7, crossed_seven),
    "open 4": (4, open_four),
    "closed 4": (4, closed_four),
    "slashed 0": (0, slashed_zero),
    "looped 2": (2, looped_two),
}
"""The digit, and what gives its paths; x runs right and y down, in parts of the height."""


def drawing(habit: str, rng: Rng) -> tuple[int, Image.Image]:
    """The digit and its picture: dark on white, of any size and place that the canvas has room for."""
    digit, paths = HABITS[habit]
    glyph = varied(_glyph(paths(rng), rng), rng, 9)
    pen = Pen(width=rng.uniform(0.03, 0.14), swell=rng.uniform(0, 0.2))
    ink = penned(glyph, rng.uniform(0.3, 0.8) * SIDE, pen, rng)
    plane = np.zeros((SIDE, SIDE))
    top, left = (int(rng.integers(0, max(1, SIDE - size))) for size in ink.shape)
    plane[top : top + ink.shape[0], left : left + ink.shape[1]] = ink[: SIDE - top, : SIDE - left]
    return digit, as_image(255 * (1 - plane)[..., None].repeat(3, 2))


def _glyph(paths: Sequence[Path], rng: Rng) -> Glyph:
    """The paths as segments; the hand moves the corners of straight ones a little, and curves as a whole."""
    points: list[Floats] = []
    segments, start = [], 0
    for path in paths:
        corners = np.array(path) + rng.normal(0, 0.012, (len(path) if len(path) < 6 else 1, 2))
        pieces = [np.linspace(a, b, max(2, POINTS // len(path))) for a, b in pairwise(corners)]
        points.append(np.concatenate(pieces))
        segments.append(np.stack([np.arange(len(points[-1]) - 1), np.arange(1, len(points[-1]))], 1) + start)
        start += len(points[-1])
    placed = np.concatenate(points)
    placed = placed - placed.min(0)
    return Glyph(points=placed / placed.max(), segments=np.concatenate(segments))
