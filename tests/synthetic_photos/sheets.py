"""What digits are written on and with, and in what light: pads, folds, stains, felt and spray, lamps, cheap cameras.

As in hard.py, each kind takes who writes and a random generator, and gives what is written and a Pillow image.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from .glyphs import Floats, Glyph, from_style, varied
from .hands import Pen, Rng, Writer, penned
from .hard import Made, any_pen, camera_shape, ink_colour, paper, placed, taken, written
from .media import as_image, between, inked, jpeg, lit, plain_colours, rulings

Sheet = tuple[str, Floats, Floats]
"""What is written, its ink [h w] 0 to 1, and the paper [h w 3] it is to be put on."""


def _sheet(writer: Writer, rng: Rng, share: tuple[float, float] = (0.2, 0.7)) -> Sheet:
    """A digit and plain paper in a camera's proportions."""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), share)
    return text, ink, paper(rng, shape)


def _canvas(writer: Writer, rng: Rng, pen: tuple[float, float], least: int = 200) -> tuple[str, Floats]:
    """A digit that fills much of a square, with a pen of a width in this range."""
    side = int(between(rng, least, 750))
    return written(writer, rng, (side, side), Pen(width=between(rng, *pen)), (0.4, 0.85))


def _across(shape: tuple[int, int]) -> Floats:
    """How far right and down each place is, in parts of the longer side: [2 h w]."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    return np.stack([x, y])


# Light.


def vignette(writer: Writer, rng: Rng) -> Made:
    """A lamp's warm spot: the corners of the picture are nearly dark"""
    text, ink, sheet = _sheet(writer, rng)
    x, y = _across((ink.shape[0], ink.shape[1]))
    far = np.hypot(x - x.max() / 2 + rng.uniform(-0.1, 0.1), y - y.max() / 2 + rng.uniform(-0.1, 0.1)) / 0.7
    light = 1 - rng.uniform(0.5, 0.85) * np.clip(far, 0, 1) ** rng.uniform(1.5, 4)
    warm = np.array([1, rng.uniform(0.75, 0.95), rng.uniform(0.45, 0.8)])
    return text, taken(inked(ink, sheet, ink_colour(rng)) * light[..., None] * warm, rng)


def dim(writer: Writer, rng: Rng) -> Made:
    """Hardly any light, and a camera that makes the best of it"""
    text, ink, sheet = _sheet(writer, rng)
    light = lit(rng, (ink.shape[0], ink.shape[1]), 0.8)[..., None] * rng.uniform(0.15, 0.4) * np.array([1, 0.9, 0.75])
    return text, _noisy(inked(ink, sheet, ink_colour(rng)) * light, rng, 1.0, rng.uniform(3, 9), (40, 90))


def webcam(writer: Writer, rng: Rng) -> Made:
    """A small, soft picture of a webcam"""
    shape = (240, 320) if rng.uniform() < 0.5 else (480, 640)
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.06, 0.12)), (0.25, 0.8))
    scene = inked(ink, paper(rng, shape), np.array([30, 30, 40.0])) * lit(rng, shape, 0.6)[..., None]
    return text, _noisy(scene * rng.uniform(0.5, 0.9), rng, 1.3, 8, (12, 35))


def _noisy(scene: Floats, rng: Rng, blur: float, noise: float, quality: tuple[int, int]) -> Image.Image:
    """A scene that a cheap camera took: blurred, with noise that its software has smoothed."""
    grain = ndimage.gaussian_filter(rng.normal(0, noise, scene.shape), (0.7, 0.7, 0))
    return jpeg(as_image(ndimage.gaussian_filter(scene, (blur, blur, 0)) + grain), int(rng.integers(*quality)))


# Paper.


def legal(writer: Writer, rng: Rng) -> Made:
    """A yellow pad with rules and a double margin"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.02, 0.05), swell=0.2, grain=0.4), (0.1, 0.5))
    rules = rulings(rng, shape, False) * rng.uniform(0.4, 0.9)
    sheet = inked(rules, paper(rng, shape, (250, 240, 150)), np.array([110, 150, 200.0]))
    left, wide = int(shape[1] * rng.uniform(0.05, 0.25)), max(1, shape[1] // 300)
    if rng.uniform() < 0.5:
        for start in (left, left + 4 * wide):
            sheet[:, start : start + wide] = (215, 90, 100)
    return text, taken(inked(ink * rng.uniform(0.7, 1), sheet, np.array([35, 55, 150.0])), rng)


def dotted(writer: Writer, rng: Rng) -> Made:
    """A notebook with a grid of dots"""
    text, ink, sheet = _sheet(writer, rng)
    gap, turn = min(ink.shape) * rng.uniform(0.04, 0.12), np.radians(rng.normal(0, 2))
    x, y = _across((ink.shape[0], ink.shape[1])) * max(ink.shape)
    turned = np.stack([y * np.cos(turn) - x * np.sin(turn), x * np.cos(turn) + y * np.sin(turn)])
    far = np.hypot(*(turned % gap - gap / 2))
    dots = np.clip(max(0.8, gap * rng.uniform(0.04, 0.09)) - far + 0.5, 0, 1) * rng.uniform(0.3, 0.9)
    return text, taken(inked(ink, inked(dots, sheet, np.array([130, 135, 150.0])), ink_colour(rng)), rng)


def stained(writer: Writer, rng: Rng) -> Made:
    """The ring of a cup, darker on one side"""
    text, ink, sheet = _sheet(writer, rng)
    radius, shape = rng.uniform(0.15, 0.4) * min(ink.shape), ink.shape
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] - (rng.uniform(0, 1, 2) * shape)[:, None, None]
    far = np.hypot(y, x) + ndimage.gaussian_filter(rng.normal(0, 1, shape), radius / 4) * radius / 2
    ring = np.exp(-(((far - radius) / (0.05 * radius)) ** 2)) * rng.uniform(0.2, 0.55)
    ring = ring * (0.5 + 0.5 * np.sin(np.arctan2(y, x) + rng.uniform(0, 6.3))) + 0.12 * (far < radius)
    return text, taken(inked(ink, inked(ring, sheet, np.array([140, 95, 50.0])), ink_colour(rng)), rng)


def folded(writer: Writer, rng: Rng) -> Made:
    """Paper with folds: a dark line or a bright one, and another shade beyond it"""
    text, ink, sheet = _sheet(writer, rng)
    shape, least = ink.shape, min(ink.shape)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    light = np.ones(shape)
    for _ in range(rng.integers(1, 4)):
        angle, (across, down) = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.05), rng.uniform(0.2, 0.8, 2)
        far = ((x - across * shape[1]) * np.cos(angle) + (y - down * shape[0]) * np.sin(angle)) / least
        soft = rng.uniform(0.002, 0.05)
        light *= 1 - rng.uniform(0.05, 0.25) / (1 + np.exp(-np.clip(far / soft, -40, 40)))
        light *= 1 - rng.uniform(0, 0.25) * np.exp(-((far / rng.uniform(0.002, 0.006)) ** 2))
        light *= 1 + rng.uniform(0, 0.08) * np.exp(-(((far + 0.01) / 0.006) ** 2))
    return text, taken(inked(ink, sheet, ink_colour(rng)) * light[..., None], rng)


def smudged(writer: Writer, rng: Rng) -> Made:
    """A pencil's smear, and sometimes the ghost of a digit that was rubbed out"""
    shape = camera_shape(rng, 400, 1000)
    pen = Pen(width=between(rng, 0.02, 0.06), swell=0.2, grain=0.6)
    text, ink = written(writer, rng, shape, pen, (0.2, 0.7))
    smear = ndimage.gaussian_filter(ink, min(shape) * 0.006)
    smear = ndimage.uniform_filter1d(smear, max(3, int(min(shape) * rng.uniform(0.04, 0.2))), axis=1)
    total = ink * rng.uniform(0.45, 0.8) + smear * rng.uniform(0.05, 0.25)
    if rng.uniform() < 0.5:
        _, ghost = written(writer, rng, shape, pen, (0.2, 0.6))
        total = np.maximum(total, ndimage.gaussian_filter(ghost, 1.5) * rng.uniform(0.05, 0.12))
    sheet = paper(rng, shape) * _rubbed(rng, shape)[..., None]
    return text, taken(inked(np.clip(total, 0, 1), sheet, np.array([70, 70, 75.0])), rng, noise=4)


def _rubbed(rng: Rng, shape: tuple[int, int]) -> Floats:
    """How bright paper is that was rubbed in a few places, [h w]."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / min(shape)
    light = np.ones(shape)
    for _ in range(rng.integers(1, 4)):
        down, across = rng.uniform(0, 1, 2) * np.array(shape) / min(shape)
        spot = np.exp(-(((y - down) / rng.uniform(0.03, 0.15)) ** 2 + ((x - across) / rng.uniform(0.1, 0.3)) ** 2))
        grain = ndimage.gaussian_filter(rng.normal(0, 1, shape), (1.5, 8))
        light *= 1 - rng.uniform(0.03, 0.12) * spot * (1 + 0.6 * grain / grain.std())
    return light


def gridded(writer: Writer, rng: Rng) -> Made:
    """A note app's page with rules or squares"""
    text, ink = _canvas(writer, rng, (0.02, 0.1))
    page, gap = np.full((*ink.shape, 3), 255.0), int(ink.shape[0] * rng.uniform(0.04, 0.12)) + 4
    start, tone = int(rng.integers(gap)), [(220, 230, 245), (200, 200, 200), (180, 200, 230)][rng.integers(3)]
    page[start::gap] = tone
    if rng.uniform() < 0.6:
        page[:, start::gap] = tone
    return text, as_image(inked(ink, page, ink_colour(rng)))


def checkered(writer: Writer, rng: Rng) -> Made:
    """The checkers that stand for transparency, saved with the digit"""
    text, ink = _canvas(writer, rng, (0.06, 0.14))
    y, x = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]] // int(rng.choice([8, 10, 16]))
    return text, as_image(inked(ink, np.where((y + x) % 2, 255.0, 204.0)[..., None] * np.ones(3), np.zeros(3)))


def shaded(writer: Writer, rng: Rng) -> Made:
    """A drawing on a background that goes from one colour to another"""
    text, ink = _canvas(writer, rng, (0.03, 0.14), 100)
    x, y = _across((ink.shape[0], ink.shape[1])) - 0.5
    angle, dark = rng.uniform(0, 6.3), rng.uniform() < 0.4
    ramp = 0.5 + x * np.cos(angle) + y * np.sin(angle) if rng.uniform() < 0.6 else 1.4 * np.hypot(x, y)
    first, second = (
        rng.uniform(*((0, 90) if dark else (150, 255)), 3),
        rng.uniform(*((0, 60) if dark else (190, 255)), 3),
    )
    page = inked(np.clip(ramp, 0, 1), np.ones((*ink.shape, 3)) * first, second)
    image = as_image(inked(ink, page, rng.uniform(*((200, 255) if dark else (0, 60)), 3)))
    return text, jpeg(image, 80) if rng.uniform() < 0.4 else image


# Pens.


def white(writer: Writer, rng: Rng) -> Made:
    """A white pencil on dark or coloured paper"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.8))
    tones = [(20, 20, 22), (60, 40, 30), (30, 35, 80), (90, 20, 30), (150, 110, 70)]
    sheet = paper(rng, shape, tones[rng.integers(5)])
    return text, taken(inked(ink * rng.uniform(0.8, 1), sheet, np.array([240, 240, 235.0])), rng)


def felt(writer: Writer, rng: Rng) -> Made:
    """A felt pen whose ink ran into the paper"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.06, 0.14)), (0.3, 0.8))
    reach = min(shape) * rng.uniform(0.004, 0.012)
    soaked = ndimage.gaussian_filter(ink, reach)
    ragged = soaked + 0.5 * reach * ndimage.gaussian_filter(rng.normal(0, 1, shape), reach)
    total = np.clip(3 * (ragged - 0.45) + 0.5, 0, 1) * (soaked > 0.1)
    return text, taken(inked(ndimage.gaussian_filter(total, 1), paper(rng, shape), ink_colour(rng)), rng)


def crayon(writer: Writer, rng: Rng) -> Made:
    """A crayon that leaves out half of the paper's grain"""
    text, ink = _canvas(writer, rng, (0.06, 0.14))
    grain = ndimage.gaussian_filter(rng.normal(0, 1, ink.shape), rng.uniform(0.8, 2))
    return text, as_image(inked(ink * (grain / grain.std() > rng.uniform(-1, 0.1)), *plain_colours(rng)))


def spray(writer: Writer, rng: Rng) -> Made:
    """A paint program's spray can: dots without a line"""
    text, ink = _canvas(writer, rng, (0.03, 0.06))
    density = ndimage.gaussian_filter(ink, ink.shape[0] * rng.uniform(0.008, 0.02))
    dots = rng.uniform(size=ink.shape) < density / density.max() * rng.uniform(0.25, 0.6)
    dots = ndimage.binary_dilation(dots) if ink.shape[0] > 350 else dots
    return text, as_image(inked(dots.astype(float), *plain_colours(rng)))


def highlighter(writer: Writer, rng: Rng) -> Made:
    """Pale ink on white"""
    text, ink = _canvas(writer, rng, (0.08, 0.16))
    tones = [(255, 250, 120), (170, 255, 170), (255, 190, 220), (200, 200, 200), (255, 235, 180)]
    return text, as_image(inked(ink, np.full(3, 255.0), np.array(tones[rng.integers(5)], float)))


def thin(writer: Writer, rng: Rng) -> Made:
    """Lines of one to three pixels on a large canvas"""
    side = int(between(rng, 300, 1250))
    pen = Pen(width=rng.integers(1, 4) / (0.6 * side), hard=rng.uniform() < 0.6)
    text, ink = written(writer, rng, (side, side), pen, (0.2, 0.9))
    return text, as_image(inked(ink, *plain_colours(rng)))


def worn(writer: Writer, rng: Rng) -> Made:
    """A small drawing, worn by JPEG"""
    side = int(rng.choice([28, 40, 64, 100, 160, 300]))
    pen = Pen(width=max(2 / (0.6 * side), between(rng, 0.06, 0.16)))
    text, ink = written(writer, rng, (side, side), pen, (0.5, 0.9))
    return text, jpeg(as_image(inked(ink, *plain_colours(rng))), int(rng.integers(8, 40)))


def slashed(writer: Writer, rng: Rng) -> Made:
    """A 0 with a slash through it"""
    side = int(between(rng, 80, 500))
    glyph = from_style(0, rng)
    across, count = glyph.points[:, 0].max(), len(glyph.points)
    over = 0.1 if rng.uniform() < 0.5 else -0.05  # beyond the oval, or within it
    slash = np.array([[across * (0.9 + over), 0.1 - over], [across * (0.1 - over), 0.9 + over]])
    points = np.concatenate([glyph.points, slash])
    segments = np.concatenate([glyph.segments, [[count, count + 1]]])
    glyph = varied(Glyph(points=points - points.min(0), segments=segments), rng, 7)
    ink = penned(glyph, side * rng.uniform(0.4, 0.8), Pen(width=between(rng, 0.04, 0.1)), rng)
    return "0", as_image(inked(placed(ink, (side, side), rng), *plain_colours(rng)))


SHEETS = (
    vignette, dim, webcam, legal, dotted, stained, folded, smudged, gridded, checkered, shaded, white, felt, crayon,
    spray, highlighter, thin, worn, slashed,
)  # fmt: skip
