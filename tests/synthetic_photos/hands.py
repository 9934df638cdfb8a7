"""Writing as people do it: several digits in a row, pens that skip and swell, strokes that do not meet, slant.

Digits come from styles and from MNIST's, thinned to their middle lines; see glyphs.py.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from .glyphs import Floats, Glyph, from_image, from_style, varied

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Who writes: every second digit is one of these of MNIST, uint8 [N 28 28], the others follow a style."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def glyph(self, rng: Rng, slant_deg: float = 0.0) -> tuple[int, Glyph]:
        """A digit and its strokes, as the hand varies them; slanted to the right."""
        if rng.uniform() < 0.5:
            digit = int(rng.integers(10))
            glyph = varied(from_style(digit, rng), rng, 7)
        else:
            place = int(rng.integers(len(self.labels)))
            digit, glyph = int(self.labels[place]), varied(from_image(self.images[place]), rng, 5)
        x, y = glyph.points.T
        points = np.stack([x - np.tan(np.radians(slant_deg)) * y, y], 1)
        points = points - points.min(0)
        return digit, Glyph(points=points / points.max(), segments=glyph.segments)


@dataclass(frozen=True, kw_only=True)
class Pen:
    """How a pen draws; lengths are in parts of the digit's height."""

    width: float
    swell: float = 0.0
    """Its width varies by this part, as the hand presses."""
    skips: int = 0
    """So many places stay without ink."""
    grain: float = 0.0
    """The paper's tooth shows through, 0 to 1."""
    jagged: int = 0
    """Only every so many-th point is kept, as of a mouse."""
    hard: bool = False
    """Pixels are ink or not."""


def penned(glyph: Glyph, height: float, pen: Pen, rng: Rng) -> Floats:
    """Ink 0 to 1 [h w] of one digit so many pixels high, cropped to what the pen can reach."""
    wide = max(1.0, pen.width * height)
    inner = max(4.0, height - wide)
    times = 1 if pen.hard else 3 if height < 300 else 2
    glyph = _jagged(glyph, pen.jagged, rng) if pen.jagged else glyph
    points = (glyph.points * inner + wide / 2) * times
    size = np.ceil(points.max(0) + wide * times / 2).astype(int) + 1
    picture = Image.new("L", (int(size[0]), int(size[1])))
    brush = ImageDraw.Draw(picture)
    phase, speed = rng.uniform(0, 6.3, 2), rng.uniform(0.5, 3, 2)
    gaps = [points[rng.integers(len(points))] for _ in range(pen.skips)]
    for a, b in glyph.segments:
        press = 1 + pen.swell * float(np.sin(glyph.points[a] @ speed * 3 + phase[0]))
        radius = wide * times * press / 2
        brush.line([*points[a], *points[b]], fill=255, width=max(1, round(2 * radius)))
        for x, y in (points[a], points[b]) if radius > 1 else ():
            brush.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    for x, y in gaps:
        reach = wide * times * rng.uniform(0.6, 1.1)
        brush.ellipse([x - reach, y - reach, x + reach, y + reach], fill=0)
    ink: Floats = np.asarray(picture.reduce(times) if times > 1 else picture) / 255
    if pen.grain:
        tooth = ndimage.gaussian_filter(rng.uniform(0, 1, ink.shape), 0.8)
        ink = ink * (1 - pen.grain * np.clip((tooth - tooth.mean()) / tooth.std() + 0.3, 0, 1.5) / 1.5)
    return ink


def _jagged(glyph: Glyph, every: int, rng: Rng) -> Glyph:
    """Points moved onto a coarse grid, with a mouse's jumps."""
    step = every / 100
    jumps = ndimage.gaussian_filter1d(rng.normal(0, 1, glyph.points.shape), 2, axis=0) * step
    return Glyph(points=np.clip(np.round((glyph.points + jumps) / step) * step, 0, 1.2), segments=glyph.segments)


def row(
    writer: Writer, rng: Rng, height: float, pen: Pen, count: int = 1, gap: tuple[float, float] = (0.12, 0.5),
    slant_deg: float = 0.0,
) -> tuple[str, Floats]:  # fmt: skip
    """What is written, and its ink [h w] cropped: so many digits side by side, the paper between them in this range.

    A gap below 0 lets neighbours overlap by that part of the height, measured between their ink.
    """
    text, total = "", np.zeros((1, 1))
    for place in range(count):
        digit, glyph = writer.glyph(rng, slant_deg)
        ink = penned(glyph, height * (1 if count == 1 else rng.uniform(0.85, 1.1)), pen, rng)
        text += str(digit)
        total = beside(total, ink, round(rng.uniform(*gap) * height), rng) if place else ink
    rows, columns = (np.flatnonzero((total > 0.3).any(axis)) for axis in (1, 0))
    return text, total[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def beside(left: Floats, right: Floats, gap: int, rng: Rng) -> Floats:
    """Both on one plane, their ink so many pixels apart where they are nearest to each other along a row."""
    height = max(left.shape[0], right.shape[0]) + 2
    planes = []
    for ink in (left, right):
        down = (height - ink.shape[0]) // 2 + round(rng.uniform(-0.3, 0.3) * (height - ink.shape[0]))
        planes.append(np.pad(ink, ((down, height - ink.shape[0] - down), (0, 0))))
    first, second = planes
    ends = np.where((first > 0.3).any(1), first.shape[1] - (first > 0.3)[:, ::-1].argmax(1), -10000)
    starts = np.where((second > 0.3).any(1), (second > 0.3).argmax(1), 10000)
    # Rows near each other count: what is above another's end is as near as what is beside it.
    near = max(1, height // 12)
    shift = int((ndimage.maximum_filter1d(ends, 2 * near + 1) - starts).max()) + gap
    wide = max(first.shape[1], shift + second.shape[1])
    total = np.zeros((height, wide))
    total[:, : first.shape[1]] = first
    place = slice(max(0, shift), max(0, shift) + second.shape[1])
    total[:, place] = np.maximum(total[:, place], second[:, max(0, -shift) :][:, : place.stop - place.start])
    return total
