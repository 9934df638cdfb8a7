"""A digit as line segments, from styles or from a digit of MNIST thinned to its middle line; and drawn with a pen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from .styles import STYLES, Stroke

Floats = NDArray[np.float64]
SCALE = 6
"""MNIST's digits are enlarged so many times before they are thinned."""


@dataclass(frozen=True, kw_only=True)
class Glyph:
    """Segments from `points[a]` to `points[b]`; the points' bounding box is 1 high."""

    points: Floats
    """[P 2]: x, y."""
    segments: NDArray[np.int64]
    """[S 2]: the two ends' places among the points."""


def from_style(digit: int, rng: np.random.Generator) -> Glyph:
    """One of the ways to write a digit, with a hand's deviations."""
    styles = STYLES[digit]
    strokes = styles[rng.integers(len(styles))]
    wobble = rng.uniform(0.0, 0.035)
    points, segments, start = [], [], 0
    for stroke in strokes:
        shift = rng.normal(0, 0.012, 2)
        curve = _curve(_shaken(stroke, wobble, rng)) + shift
        points.append(curve)
        segments.append(np.stack([np.arange(len(curve) - 1), np.arange(1, len(curve))], 1) + start)
        start += len(curve)
    return Glyph(points=_upright(np.concatenate(points)), segments=np.concatenate(segments))


def _shaken(stroke: Stroke, amount: float, rng: np.random.Generator) -> Floats:
    """Each point moved a little; both copies of a corner by the same."""
    points = np.array(stroke)
    same = np.r_[False, (points[1:] == points[:-1]).all(1)]
    moves = rng.normal(0, amount, points.shape)
    moves[same] = moves[np.flatnonzero(same) - 1]
    return points + moves


def _curve(points: Floats, steps: int = 12) -> Floats:
    """A Catmull-Rom curve through the points."""
    if len(points) == 2:
        return points
    padded = np.concatenate([points[:1], points, points[-1:]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), points[-1:]])


def from_image(image: NDArray[np.uint8]) -> Glyph:
    """A digit of MNIST, uint8 [28 28], thinned to its middle line."""
    skeleton = thinned(enlarged(image) > 127)
    rows, columns = np.nonzero(skeleton)
    places = -np.ones(skeleton.shape, dtype=np.int64)
    places[rows, columns] = np.arange(len(rows))
    segments = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ends = np.roll(places, (-down, -right), (0, 1))[rows, columns]
        segments += [(a, b) for a, b in zip(places[rows, columns], ends, strict=True) if b >= 0]
    points = np.stack([columns, rows], 1).astype(np.float64)
    joined = np.array(segments or [(0, 0)])
    for _ in range(6):  # the stairs of the grid are no part of the hand
        total, count = points.copy(), np.ones((len(points), 1))
        for here, there in ((0, 1), (1, 0)):
            np.add.at(total, joined[:, here], points[joined[:, there]])
            np.add.at(count, joined[:, here], 1)
        ends = (np.bincount(joined.ravel(), minlength=len(points)) < 2)[:, None]
        points = np.where(ends, points, total / count)
    return Glyph(points=_upright(points), segments=joined)


def enlarged(image: NDArray[np.uint8], times: int = SCALE) -> NDArray[np.uint8]:
    """The image so many times as large, smoothly."""
    height, width = image.shape
    return np.asarray(Image.fromarray(image).resize((width * times, height * times), Image.Resampling.BICUBIC))


def thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle lines of a mask, one pixel wide (Zhang and Suen, 1984)."""
    mask = np.pad(mask, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            n, e, s, w = (np.roll(mask, shift, axis) for shift, axis in ((1, 0), (-1, 1), (-1, 0), (1, 1)))
            ring = [n, np.roll(n, -1, 1), e, np.roll(s, -1, 1), s, np.roll(s, 1, 1), w, np.roll(n, 1, 1)]
            count = sum(part.astype(np.int8) for part in ring)
            rises = sum((~here & there).astype(np.int8) for here, there in zip(ring, ring[1:] + ring[:1], strict=True))
            open_ = ~(n & e & s) & ~(e & s & w) if first else ~(n & e & w) & ~(n & s & w)
            gone = mask & (count >= 2) & (count <= 6) & (rises == 1) & open_
            if gone.any():
                mask, changed = mask & ~gone, True
    return mask[1:-1, 1:-1]


def _upright(points: Floats) -> Floats:
    """From 0 on along both axes, and 1 high (or 1 wide, where that is more)."""
    points = points - points.min(0)
    return points / max(points[:, 1].max(), points[:, 0].max(), 1e-6)


def varied(glyph: Glyph, rng: np.random.Generator, turn_deg: float = 15.0, tremor: float = 0.0) -> Glyph:
    """Turned, slanted and stretched at random; with a mouse's tremor, in parts of the height."""
    turn, slant = np.radians(rng.uniform(-turn_deg, turn_deg)), rng.uniform(-0.2, 0.2)
    wide = np.exp(rng.uniform(-0.2, 0.2))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[wide, slant], [0, 1]])
    points = glyph.points @ matrix.T
    if tremor:
        points = points + ndimage.gaussian_filter1d(rng.normal(0, 1, points.shape), 2, axis=0) * tremor * 2.5
    return Glyph(points=_upright(points), segments=glyph.segments)


def drawn(glyph: Glyph, shape: tuple[int, int], corner: tuple[float, float], height: float, pen: float,
          smooth: bool = True) -> Floats:  # fmt: skip
    """Ink 0 to 1 [h w]: the glyph `height` pixels high, its upper left at `corner` (x, y), with a round pen.

    `smooth` has soft edges; otherwise pixels are ink or not, as a paint program's pencil leaves them.
    """
    times = 3 if smooth else 1
    picture = Image.new("L", (shape[1] * times, shape[0] * times))
    brush = ImageDraw.Draw(picture)
    points = (glyph.points * height + np.array(corner)) * times
    wide, radius = max(1, round(pen * times)), pen * times / 2
    for a, b in glyph.segments:
        brush.line([*points[a], *points[b]], fill=255, width=wide)
    if wide > 2:
        for x, y in points:
            brush.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    if smooth:
        picture = picture.reduce(times)
    return np.asarray(picture) / 255
