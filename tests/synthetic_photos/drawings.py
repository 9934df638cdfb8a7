"""Hard pictures that are drawings or scans, and numbers of several digits; photos are in hard.py."""

import numpy as np

from . import hard
from .hands import Pen, Rng, Writer
from .hard import Kind, Made, drawn_or_taken, written
from .media import as_image, between, inked, plain_colours

BLUE = np.array([25, 30, 90.0])
"""A ball pen's ink."""


def apart(writer: Writer, rng: Rng) -> Made:
    """A pen that skips, so that a digit is in pieces"""
    shape = (int(between(rng, 100, 900)),) * 2
    pen = Pen(width=between(rng, 0.03, 0.09), skips=int(rng.integers(1, 3)))
    text, ink = written(writer, rng, shape, pen, (0.3, 0.85))
    return text, drawn_or_taken(ink, rng, BLUE)


def mouse(writer: Writer, rng: Rng) -> Made:
    """Drawn with a mouse: jagged, with a thin pen"""
    side = int(between(rng, 150, 1000))
    pen = Pen(width=max(1.0, rng.integers(1, 6)) / side, jagged=int(rng.integers(2, 5)), hard=rng.uniform() < 0.5)
    text, ink = written(writer, rng, (side, side), pen, (0.3, 0.9))
    return text, as_image(inked(ink, *plain_colours(rng)))


def fat(writer: Writer, rng: Rng) -> Made:
    """A brush so thick that loops nearly close"""
    side = int(between(rng, 60, 800))
    text, ink = written(writer, rng, (side, side), Pen(width=rng.uniform(0.16, 0.24)), (0.6, 0.95))
    return text, as_image(inked(ink, *plain_colours(rng)))


def minute(writer: Writer, rng: Rng) -> Made:
    """A digit of about 12 pixels on a large canvas"""
    side = int(between(rng, 200, 1200))
    height = rng.uniform(11, 18) / side
    pen = Pen(width=rng.uniform(1, 2.2) / (height * side))
    text, ink = written(writer, rng, (side, side), pen, (height, height))
    return text, as_image(inked(ink, *plain_colours(rng)))


def full(writer: Writer, rng: Rng) -> Made:
    """As large as the picture, or a little larger: its edges cut the strokes"""
    side = int(between(rng, 60, 900))
    pen = Pen(width=between(rng, 0.03, 0.14), swell=0.1)
    text, ink = written(writer, rng, (side, int(side * rng.uniform(0.6, 1.1))), pen, (0.97, 1.06))
    return text, drawn_or_taken(ink, rng, BLUE, 0.6)


def slanted(writer: Writer, rng: Rng) -> Made:
    """Slanted by up to 25 degrees, more often to the right"""
    side = int(between(rng, 80, 900))
    pen = Pen(width=between(rng, 0.03, 0.12))
    text, ink = written(
        writer, rng, (side, side), pen, (0.4, 0.9), slant_deg=rng.uniform(10, 25) * rng.choice([1, 1, 1, -1])
    )
    return text, as_image(inked(ink, *plain_colours(rng)))


def framed(writer: Writer, rng: Rng) -> Made:
    """In the box of a form, or in a canvas with a border"""
    side = int(between(rng, 120, 900))
    margin, wide = int(side * rng.uniform(0, 0.12)), max(1, round(side * rng.uniform(0.002, 0.012)))
    room = side - 2 * (margin + wide + side // 40)
    text, ink = written(writer, rng, (room, room), Pen(width=between(rng, 0.03, 0.1)), (0.35, 0.85))
    inner = slice(margin, side - margin)
    text_only, frame = np.pad(ink, (side - room) // 2), np.zeros((side, side))
    side = len(text_only)
    frame = frame[:side, :side]
    frame[inner, inner] = 1
    frame[margin + wide : side - margin - wide, margin + wide : side - margin - wide] = 0
    ink = np.maximum(text_only, frame * rng.uniform(0.5, 1))
    return text, drawn_or_taken(ink, rng, np.array([20, 20, 30.0]))


def several(writer: Writer, rng: Rng) -> Made:
    """A number of two to five digits that are apart"""
    return _number(writer, rng, int(rng.integers(2, 6)), (0.06, 0.5))


def touching(writer: Writer, rng: Rng) -> Made:
    """A number of two or three digits that touch"""
    return _number(writer, rng, int(rng.integers(2, 4)), (-0.06, 0.0))


def _number(writer: Writer, rng: Rng, count: int, gap: tuple[float, float]) -> Made:
    shape = (int(between(rng, 120, 600)), int(between(rng, 400, 1200)))
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.03, 0.09)), (0.4, 0.85), count, gap)
    return text, drawn_or_taken(ink, rng, BLUE)


HARD: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (hard.lobe, hard.crossed, hard.pencil, hard.tinted, hard.chalk, hard.glare, hard.screen, hard.table,
                 hard.shaken, apart, mouse, fat, minute, full, slanted, framed, several, touching)
}  # fmt: skip
"""Every hard kind by name."""
