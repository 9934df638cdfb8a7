"""Ink on something: a paint program's canvas, a scan, a photo of paper under a lamp.

Each function takes a hand (`Hand`: a glyph source for one digit) and a random generator, and gives a Pillow image.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .glyphs import Floats, Glyph, drawn, enlarged, from_image, from_style, varied

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Hand:
    """Whose digit it is: one of MNIST's, or where there is none, a style's."""

    digit: int
    image: NDArray[np.uint8] | None
    largest: int = 1200
    """Pixels: the longest side of a picture, about."""

    def glyph(self, rng: Rng, tremor: float = 0.0) -> Glyph:
        """Its strokes, varied."""
        if self.image is None:
            return varied(from_style(self.digit, rng), rng, 10, tremor)
        return varied(from_image(self.image), rng, 8, tremor)


def between(rng: Rng, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def strokes(hand: Hand, rng: Rng, shape: tuple[int, int], share: float, pen: float | None = None, *,
            smooth: bool = True, centred: bool = False, tremor: float = 0.0) -> Floats:  # fmt: skip
    """Ink [h w] 0 to 1 of a digit whose longer side is this share of the shorter side of the picture.

    `pen` is its width in parts of the digit's height; none takes MNIST's own stroke where there is one.
    """
    height = max(5.0, share * min(shape))
    if pen is None and hand.image is not None:
        return _filled(hand.image, rng, shape, height, centred)
    glyph = hand.glyph(rng, tremor)
    wide = max(1.0, (pen or 0.1) * height)
    inner = max(3.0, height - wide) if height > 12 else height - 1
    across, down = glyph.points.max(0) * inner
    room = np.array([shape[1] - across - wide, shape[0] - down - wide])
    place = np.full(2, 0.5) if centred else rng.uniform(0, 1, 2)
    corner = wide / 2 + np.maximum(room, 0) * place
    return drawn(glyph, shape, (float(corner[0]), float(corner[1])), inner, wide, smooth)


def _filled(image: NDArray[np.uint8], rng: Rng, shape: tuple[int, int], height: float, centred: bool) -> Floats:
    """A digit of MNIST with its own stroke, enlarged and turned a little."""
    times = max(1, round(height / 20 + 0.49))
    large = ndimage.rotate(enlarged(image, times), rng.uniform(-10, 10), reshape=False, order=1)
    rows, columns = (np.flatnonzero((large > 30).any(axis)) for axis in (1, 0))
    box = Image.fromarray(large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    factor = height / max(box.size)
    box = box.resize((max(2, round(box.width * factor)), max(2, round(box.height * factor))), Image.Resampling.BICUBIC)
    ink = np.zeros(shape)
    room = np.maximum(np.array([shape[0] - box.height, shape[1] - box.width]), 0)
    top, left = (room * (np.full(2, 0.5) if centred else rng.uniform(0, 1, 2))).astype(int)
    part = np.asarray(box)[: shape[0], : shape[1]] / 255
    ink[top : top + part.shape[0], left : left + part.shape[1]] = part
    # What was enlarged is soft; a pen is not.
    return np.clip((ink - 0.5) * min(times, 4) + 0.5, 0, 1) if times > 1 else ink


def inked(ink: Floats, paper: Floats, colour: Floats) -> Floats:
    """Paper [h w 3] with ink of this colour on it, 0 to 255."""
    return paper * (1 - ink[..., None]) + colour * ink[..., None]


def as_image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The image as it is after having been a JPEG."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def plain_colours(rng: Rng) -> tuple[Floats, Floats]:
    """Paper and ink of a drawing program."""
    black, white = np.zeros(3), np.full(3, 255.0)
    kind = rng.uniform()
    if kind < 0.4:
        return white, black
    if kind < 0.75:
        return black, white
    if kind < 0.9:
        return white, np.array([(220, 30, 30), (30, 30, 220), (20, 140, 40), (120, 60, 10)][rng.integers(4)], float)
    return rng.uniform(0, 90, 3), rng.uniform(170, 255, 3)


# Drawings.


def paint28(hand: Hand, rng: Rng) -> Image.Image:
    """A pencil of one to three pixels on a canvas of 28 x 28."""
    pen = rng.choice([1, 1, 2, 2, 3])
    share = rng.uniform(0.55, 0.95)
    ink = strokes(
        hand, rng, (28, 28), share, pen / (28 * share), smooth=rng.uniform() < 0.3, centred=rng.uniform() < 0.5
    )
    return as_image(inked(ink, *plain_colours(rng)))


def canvas(hand: Hand, rng: Rng) -> Image.Image:
    """A drawing on a large canvas with a pen of any width."""
    side = min(hand.largest, int(between(rng, 60, 800)))
    pen = between(rng, max(0.008, 1.2 / side), 0.16)
    shape = (side, int(side * rng.choice([1.0, 1.0, rng.uniform(0.7, 1.6)])))
    ink = strokes(
        hand, rng, shape, rng.uniform(0.4, 0.97), pen, smooth=rng.uniform() < 0.5, tremor=rng.uniform(0, 0.01)
    )
    return as_image(inked(ink, *plain_colours(rng)))


def brush(hand: Hand, rng: Rng) -> Image.Image:
    """A brush so thick that little is left between the strokes."""
    side = int(between(rng, 28, 400))
    ink = strokes(hand, rng, (side, side), rng.uniform(0.7, 1.0), rng.uniform(0.13, 0.2))
    return as_image(inked(ink, *plain_colours(rng)))


def tiny(hand: Hand, rng: Rng) -> Image.Image:
    """A digit that is lost on its canvas."""
    side = min(hand.largest, int(between(rng, 200, 900)))
    ink = strokes(hand, rng, (side, side), max(24 / side, rng.uniform(0.06, 0.2)), rng.uniform(0.05, 0.14))
    return as_image(inked(ink, *plain_colours(rng)))


def cut(hand: Hand, rng: Rng) -> Image.Image:
    """A drawing cropped to its ink, or into it a little."""
    side = int(between(rng, 40, 400))
    ink = strokes(hand, rng, (side, side), 0.9, rng.choice([None, rng.uniform(0.04, 0.14)]), centred=True)
    rows, columns = (np.flatnonzero((ink > 0.5).any(axis)) for axis in (1, 0))
    nip = int(side * rng.uniform(0, 0.03))
    ink = ink[rows[0] + nip : rows[-1] + 1, columns[0] : columns[-1] + 1 - nip]
    room = rng.integers(0, 1 + side // 12, 4) * (rng.uniform(size=4) < 0.3)
    ink = np.pad(ink, ((room[0], room[1]), (room[2], room[3])))
    return as_image(inked(ink, *plain_colours(rng)))


def transparent(hand: Hand, rng: Rng) -> Image.Image:
    """Ink on nothing: a PNG with an alpha channel."""
    side = int(between(rng, 40, 500))
    ink = strokes(hand, rng, (side, side), rng.uniform(0.5, 0.95), rng.uniform(0.03, 0.14))
    pixels = np.zeros((side, side, 4))
    pixels[..., :3] = 255 if rng.uniform() < 0.25 else rng.choice([0, 40]) * np.ones(3)
    pixels[..., 3] = 255 * ink
    return Image.fromarray(pixels.astype(np.uint8))


def blocks(hand: Hand, rng: Rng) -> Image.Image:
    """MNIST's manner, shown large: 28 x 28 blocks, or smoothed."""
    ink = strokes(hand, rng, (28, 28), 0.72, None if hand.image is not None else 0.12, centred=True)
    side = int(rng.choice([28, 28, 56, 140, 280, 308]))
    how = Image.Resampling.NEAREST if rng.uniform() < 0.6 else Image.Resampling.BICUBIC
    pixels = ink if rng.uniform() < 0.7 else 1 - ink
    return as_image(pixels * 255).resize((side, side), how)


def scan(hand: Hand, rng: Rng) -> Image.Image:
    """Grey ink on white paper, a little noise and specks, sometimes bilevel."""
    shape = (min(hand.largest, int(between(rng, 80, 700))),) * 2
    ink = strokes(hand, rng, shape, rng.uniform(0.3, 0.9), rng.choice([None, rng.uniform(0.025, 0.1)]))
    texture = 1 - rng.uniform(0, 0.35) * ndimage.gaussian_filter(rng.uniform(0, 1, shape), 1)
    pixels = rng.uniform(235, 255) * (1 - ink * texture * rng.uniform(0.6, 1))
    pixels = pixels + rng.normal(0, rng.uniform(0, 6), shape)
    specks = ndimage.binary_dilation(rng.uniform(size=shape) < rng.integers(0, 12) / (shape[0] * shape[1]))
    pixels[specks] = 60
    if rng.uniform() < 0.2:
        return as_image(pixels).convert("1")
    return as_image(pixels)


# Photos.


def lit(rng: Rng, shape: tuple[int, int], strength: float) -> Floats:
    """How bright each place is lit, 1 on average or less: a slope, a lamp and a corner that falls off."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    slope = 1 + strength * rng.uniform(-0.8, 0.8) * (x * np.cos(angle) + y * np.sin(angle))
    far = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    return np.clip(slope * (1 - strength * rng.uniform(0, 0.9) * far**2), 0.15, 1.2)


def shadow_edge(rng: Rng, shape: tuple[int, int]) -> Floats:
    """The edge of a hand's or phone's shadow across the picture."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape) - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    along = (
        x * np.cos(angle)
        + y * np.sin(angle)
        + 0.08 * np.sin(rng.uniform(3, 9) * (x * np.sin(angle) - y * np.cos(angle)))
    )
    soft = between(rng, 0.004, 0.12)
    return 1 - rng.uniform(0.2, 0.55) / (1 + np.exp(-np.clip((along - rng.uniform(-0.35, 0.35)) / soft, -50, 50)))


def rulings(rng: Rng, shape: tuple[int, int], both: bool) -> Floats:
    """How strongly rulings cover each place, 0 to 1: parallel lines of a pixel or some, at a slight turn."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    turn = np.radians(rng.normal(0, 2.5))
    gap = min(shape) * (rng.uniform(0.06, 0.25) if both else rng.uniform(0.15, 0.5))
    wide = max(1.0, min(shape) * rng.uniform(0.003, 0.01))
    bend = rng.uniform(-0.03, 0.03) * min(shape)
    total = np.zeros(shape)
    for position, across in ((y * np.cos(turn) - x * np.sin(turn), x), (x * np.cos(turn) + y * np.sin(turn), y))[
        : 1 + both
    ]:
        bent = position + bend * (across / max(shape) - 0.5) ** 2
        offset = np.abs((bent + rng.uniform(0, gap)) % gap - gap / 2)
        total = np.maximum(total, np.clip(wide / 2 - offset + 0.5, 0, 1))
    return total


INKS = [
    (25, 25, 30),
    (30, 40, 120),
    (20, 50, 160),
    (150, 30, 40),
    (30, 100, 60),
    (90, 90, 95),
    (10, 10, 10),
    (50, 30, 110),
]


def _photo(hand: Hand, rng: Rng, *, light: float = 0.5, shadow: bool = False, lines: str = "",
           share: tuple[float, float] = (0.25, 0.9),
           dark: bool = False, side: tuple[float, float] = (90, 900)) -> Image.Image:  # fmt: skip
    """A photo of ink on paper (or chalk on a board)."""
    height = min(hand.largest, int(between(rng, *side)))
    shape = (height, int(height * rng.uniform(0.75, 1.33)))
    pen = None if hand.image is not None and rng.uniform() < 0.3 else between(rng, 0.02, 0.13)
    ink = strokes(hand, rng, shape, rng.uniform(*share), pen)
    ink = ndimage.gaussian_filter(ink, min(shape) * rng.uniform(0, 0.006))
    ink = ink * (1 - rng.uniform(0, 0.4) * ndimage.gaussian_filter(rng.uniform(0, 1, shape), 1.5))
    paper = np.ones((*shape, 3)) * (rng.uniform(190, 250) + rng.uniform(-14, 14, 3))
    colour = np.array(INKS[rng.integers(len(INKS))], float)
    if dark:
        paper = np.ones((*shape, 3)) * np.array([(30, 60, 45), (40, 40, 42), (20, 25, 60)][rng.integers(3)], float)
        colour = np.array([(230, 230, 225), (240, 225, 130), (235, 180, 180)][rng.integers(3)], float)
    if lines:
        tone = np.array(
            [(120, 150, 210), (150, 150, 160), (110, 180, 190), (200, 130, 140), (80, 90, 130)][rng.integers(5)], float
        )
        strength = rng.uniform(0.35, 1.0)
        paper = inked(rulings(rng, shape, lines == "graph") * strength, paper, tone)
        if lines == "ruled" and rng.uniform() < 0.3:
            edge = np.abs(np.arange(shape[1]) - shape[1] * rng.uniform(0.03, 0.2)) < max(0.6, min(shape) * 0.004)
            paper[:, edge] = (215, 110, 120)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, shape), rng.uniform(0.5, 2))
    paper = paper * (1 + rng.uniform(0, 0.04) * grain / grain.std())[..., None]
    pixels = inked(ink, paper, colour) * lit(rng, shape, light)[..., None]
    if shadow:
        pixels = pixels * shadow_edge(rng, shape)[..., None]
    pixels = ndimage.gaussian_filter(pixels, (*[rng.uniform(0, 0.9)] * 2, 0))
    pixels = pixels * rng.uniform(0.6, 1.05) + rng.normal(0, rng.uniform(0.5, 9), pixels.shape)
    return jpeg(as_image(pixels), int(rng.integers(25, 95)))


def photo(hand: Hand, rng: Rng) -> Image.Image:
    """Plain paper, uneven light."""
    return _photo(hand, rng)


def shadowed(hand: Hand, rng: Rng) -> Image.Image:
    """Plain paper with a shadow's edge across it."""
    return _photo(hand, rng, light=0.7, shadow=True)


def ruled(hand: Hand, rng: Rng) -> Image.Image:
    """Lined paper, sometimes with a margin."""
    return _photo(hand, rng, lines="ruled", shadow=rng.uniform() < 0.2)


def graph(hand: Hand, rng: Rng) -> Image.Image:
    """Squared paper."""
    return _photo(hand, rng, lines="graph", shadow=rng.uniform() < 0.2)


def board(hand: Hand, rng: Rng) -> Image.Image:
    """Chalk on a board."""
    return _photo(hand, rng, dark=True)


def far(hand: Hand, rng: Rng) -> Image.Image:
    """A small digit on much paper."""
    return _photo(hand, rng, share=(0.08, 0.25), side=(300, 1200))


def photo28(hand: Hand, rng: Rng) -> Image.Image:
    """A photo that somebody made small: grey, 28 x 28 to 64 x 64, sometimes inverted."""
    small = _photo(hand, rng, share=(0.5, 0.9), light=0.35).convert("L")
    side = int(rng.choice([28, 28, 32, 64]))
    pixels = np.asarray(small.resize((side, side), Image.Resampling.LANCZOS), float)
    return as_image(255 - pixels if rng.uniform() < 0.5 else pixels)


def desk(hand: Hand, rng: Rng) -> Image.Image:
    """A sheet that does not fill the picture: a darker desk shows at one side or more."""
    image = _photo(hand, rng, share=(0.3, 0.7))
    pixels = np.asarray(image, float)
    height, width = pixels.shape[:2]
    wood = np.array([(90, 60, 40), (40, 40, 45), (120, 110, 100)][rng.integers(3)], float)
    bars = (rng.uniform(0.03, 0.2, 4) * np.array([height, height, width, width]) * (rng.uniform(size=4) < 0.45)).astype(
        int
    )
    framed = np.pad(pixels, ((bars[0], bars[1]), (bars[2], bars[3]), (0, 0)), constant_values=-1)
    bare = framed[..., 0] < 0
    framed[bare] = wood + rng.normal(0, 6, (int(bare.sum()), 3))
    turned = ndimage.rotate(framed, rng.uniform(-3, 3), reshape=False, order=1, mode="nearest", axes=(0, 1))
    return jpeg(as_image(turned), int(rng.integers(40, 95)))


KINDS: dict[str, Callable[[Hand, Rng], Image.Image]] = {
    kind.__name__: kind
    for kind in (paint28, canvas, brush, tiny, cut, transparent, blocks, scan, photo, shadowed, ruled, graph, board,
                 far, photo28, desk)
}  # fmt: skip
"""Every kind of picture by name."""
