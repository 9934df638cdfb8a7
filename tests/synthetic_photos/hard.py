"""Pictures that are harder to read, each for a reason met in life: what is on the paper, around it, and in the light.

Each kind takes who writes and a random generator, and gives what is written and a Pillow image.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

from .glyphs import Floats
from .hands import Pen, Rng, Writer, row
from .media import INKS, as_image, between, inked, jpeg, lit, plain_colours, rulings

Made = tuple[str, Image.Image]
Kind = Callable[[Writer, Rng], Made]
LARGEST = 1400
"""Pixels: no side is longer."""


def camera_shape(rng: Rng, low: int = 300, high: int = LARGEST) -> tuple[int, int]:
    """Upright or across, in proportions of cameras."""
    longer = between(rng, low, high)
    sides = (int(longer), int(longer * rng.choice([0.75, 0.56, 1.0])))
    return sides if rng.uniform() < 0.6 else sides[::-1]


def any_pen(rng: Rng) -> Pen:
    """Ball pens, felt pens and pencils."""
    return Pen(width=between(rng, 0.025, 0.11), swell=rng.uniform(0, 0.25), grain=float(rng.choice([0, 0.4])))


def placed(ink: Floats, shape: tuple[int, int], rng: Rng) -> Floats:
    """The ink somewhere on a plane of this shape; what does not fit is cut off."""
    room = np.array(shape) - ink.shape
    top, left = (int(rng.uniform(min(0, side), max(0, side)) + 0.5) for side in room)
    plane = np.zeros((shape[0] + 2 * ink.shape[0], shape[1] + 2 * ink.shape[1]))
    plane[ink.shape[0] + top :, ink.shape[1] + left :][: ink.shape[0], : ink.shape[1]] = ink
    return plane[ink.shape[0] :, ink.shape[1] :][: shape[0], : shape[1]]


def written(writer: Writer, rng: Rng, shape: tuple[int, int], pen: Pen, share: tuple[float, float], count: int = 1,
            gap: tuple[float, float] = (0.12, 0.5), slant_deg: float = 0.0) -> tuple[str, Floats]:  # fmt: skip
    """Text and its ink [h w] on a plane, its height in this range of the shorter side, or as wide as it has room."""
    height = max(8.0, rng.uniform(*share) * min(shape))
    if count > 1:
        height = min(height, 1.1 * shape[1] / count)
    text, ink = row(writer, rng, height, pen, count, gap, slant_deg)
    if share[1] < 1:
        factor = min(1.0, 0.96 * shape[0] / ink.shape[0], 0.96 * shape[1] / ink.shape[1])
        if factor < 1:
            size = (max(1, int(ink.shape[1] * factor)), max(1, int(ink.shape[0] * factor)))
            ink = np.asarray(Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    return text, placed(ink, shape, rng)


def paper(rng: Rng, shape: tuple[int, int], colour: tuple[float, float, float] | None = None) -> Floats:
    """Paper [h w 3] with its grain, white or nearly, or of this colour."""
    tone = np.array(colour) if colour else np.array([250, 250, 250]) - np.array([0, 1, 2]) * rng.uniform(0, 10)
    grain = ndimage.gaussian_filter(rng.normal(0, 1, shape), rng.uniform(0.5, 2))
    return tone * (1 + rng.uniform(0, 0.03) * grain / grain.std())[..., None]


def taken(scene: Floats, rng: Rng, *, light: float = 0.5, quality: tuple[int, int] = (35, 95), noise: float = 6,
          blur: float = 1.2) -> Image.Image:  # fmt: skip
    """A scene [h w 3] as a camera takes it: light, focus, exposure, noise and JPEG."""
    shape = scene.shape[:2]
    scene = scene * lit(rng, (shape[0], shape[1]), light)[..., None]
    scene = ndimage.gaussian_filter(scene, (*[rng.uniform(0, blur)] * 2, 0))
    scene = scene * rng.uniform(0.6, 1.05) + rng.normal(0, rng.uniform(0.5, noise), scene.shape)
    return jpeg(as_image(scene), int(rng.integers(*quality)))


def ink_colour(rng: Rng) -> Floats:
    """A pen's."""
    return np.array(INKS[rng.integers(len(INKS))], float)


def drawn_or_taken(ink: Floats, rng: Rng, colour: Floats, drawn: float = 0.5) -> Image.Image:
    """The ink as a drawing in any colours, by this chance; otherwise in this colour on paper, as a camera takes it."""
    if rng.uniform() < drawn:
        return as_image(inked(ink, *plain_colours(rng)))
    return taken(inked(ink, paper(rng, (ink.shape[0], ink.shape[1])), colour), rng)


def table_top(rng: Rng, shape: tuple[int, int]) -> Floats:
    """A table [h w 3] with the grain of its wood."""
    wood = np.array([(95, 65, 40), (45, 45, 50), (140, 120, 100), (60, 40, 30)][rng.integers(4)], float)
    streaks = ndimage.gaussian_filter(rng.normal(0, 1, shape), (1, min(shape) / 6))
    return np.asarray(wood * (1 + 0.12 * streaks / streaks.std())[..., None])


def _lobe(rng: Rng, shape: tuple[int, int]) -> Floats:
    """The shadow of a hand or a head: round, soft, from a side; 1 where there is none."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    total = np.zeros(shape)
    for _ in range(rng.integers(1, 4)):
        cy, cx = rng.uniform(-0.1, 1.1, 2) * np.array(shape) / max(shape)
        ry, rx = rng.uniform(0.12, 0.5, 2)
        far = np.hypot((y - cy) / ry, (x - cx) / rx) - 1
        total = np.maximum(total, 1 / (1 + np.exp(np.clip(far / between(rng, 0.02, 0.3), -40, 40))))
    return 1 - rng.uniform(0.25, 0.6) * total


def lobe(writer: Writer, rng: Rng) -> Made:
    """The shadow of a hand or head falls on the paper"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.15, 0.8))
    return text, taken(inked(ink, paper(rng, shape), ink_colour(rng)) * _lobe(rng, shape)[..., None], rng)


def crossed(writer: Writer, rng: Rng) -> Made:
    """Rulings or squares run through the strokes, as dark as pencil"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.25, 0.8))
    tone = np.array([(120, 150, 210), (130, 130, 140), (200, 130, 140), (90, 110, 170)][rng.integers(4)], float)
    lines = rulings(rng, shape, bool(rng.uniform() < 0.5)) * rng.uniform(0.4, 1)
    return text, taken(inked(ink, inked(lines, paper(rng, shape), tone), ink_colour(rng)), rng)


def pencil(writer: Writer, rng: Rng) -> Made:
    """A faint pencil, on plain or lined paper"""
    shape = camera_shape(rng)
    pen = Pen(width=between(rng, 0.02, 0.06), swell=0.2, grain=0.7)
    text, ink = written(writer, rng, shape, pen, (0.15, 0.8))
    sheet = paper(rng, shape)
    if rng.uniform() < 0.3:
        sheet = inked(rulings(rng, shape, False) * rng.uniform(0.1, 0.35), sheet, np.array([120, 150, 210.0]))
    return text, taken(inked(ink * rng.uniform(0.3, 0.65), sheet, np.array([70, 70, 75.0])), rng, noise=4)


def tinted(writer: Writer, rng: Rng) -> Made:
    """Coloured ink on coloured paper"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.85))
    tones = [(250, 240, 120), (250, 190, 200), (170, 220, 250), (180, 240, 180), (240, 200, 150), (200, 180, 140)]
    inks = [(200, 40, 40), (30, 60, 180), (20, 120, 60), (120, 40, 140), (60, 60, 60)]
    sheet = paper(rng, shape, tones[rng.integers(len(tones))])
    return text, taken(inked(ink, sheet, np.array(inks[rng.integers(len(inks))], float)), rng)


def chalk(writer: Writer, rng: Rng) -> Made:
    """Chalk on a board that was wiped before"""
    shape = camera_shape(rng)
    pen = Pen(width=between(rng, 0.04, 0.12), swell=0.2, grain=0.8)
    text, ink = written(writer, rng, shape, pen, (0.2, 0.8))
    smear = ndimage.gaussian_filter(rng.normal(0, 1, shape), (min(shape) / 60, min(shape) / 8))
    tone = [(30, 60, 45), (45, 48, 50), (25, 30, 35)][rng.integers(3)]
    board = paper(rng, shape, tone) + 10 * np.clip(smear / smear.std(), 0, 3)[..., None] * rng.uniform(0, 1)
    return text, taken(inked(ink * 0.9, board, np.array([235, 235, 228.0])), rng)


def glare(writer: Writer, rng: Rng) -> Made:
    """A whiteboard with the reflection of a lamp"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.05, 0.12), swell=0.1), (0.2, 0.7))
    markers = [(20, 20, 25), (30, 50, 170), (190, 30, 40), (20, 120, 60)]
    board = paper(rng, shape, (215.0, 218.0, 222.0))
    scene = inked(ink * rng.uniform(0.75, 1), board, np.array(markers[rng.integers(4)], float))
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    cy, cx = rng.uniform(0, 1, 2) * np.array(shape) / max(shape)
    spot = np.exp(-(((y - cy) / rng.uniform(0.05, 0.2)) ** 2 + ((x - cx) / rng.uniform(0.05, 0.3)) ** 2))
    return text, taken(scene + (255 - scene) * 0.8 * spot[..., None], rng)


def screen(writer: Writer, rng: Rng) -> Made:
    """A screen that was photographed, with the pattern of its pixels"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.85))
    dark = rng.uniform() < 0.3
    sheet, colour = np.full((*shape, 3), 20.0 if dark else 240.0), np.full(3, 235.0 if dark else 20.0)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    waves = np.ones((*shape, 3))
    for channel in range(3):
        for _ in range(2):
            angle, period = rng.uniform(0, 3.14), between(rng, 2.5, 40)
            waves[..., channel] += 0.05 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 6.28 / period)
    return text, taken(inked(ink, sheet, colour) * waves, rng, light=0.3)


def table(writer: Writer, rng: Rng) -> Made:
    """A sheet, seen at a slant, on a table, sometimes held by a finger"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.25, 0.65))
    sheet = inked(ink, paper(rng, shape), ink_colour(rng))
    ground = table_top(rng, shape)
    height, width = shape
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    quad = [float(side + rng.uniform(-0.12, 0.04) * min(shape)) for corner in corners for side in corner]
    # Where the sheet's corners are taken from outside of it, the table shows.
    seen = Image.fromarray(np.dstack([sheet, np.full(shape, 255)]).clip(0, 255).astype(np.uint8), "RGBA")
    quad = [side + (1 if side > 1 else -1) * 0.05 * min(shape) for side in quad]
    turned = np.asarray(seen.transform((width, height), Image.Transform.QUAD, quad, Image.Resampling.BILINEAR), float)
    scene = inked(turned[..., 3] / 255, ground, np.zeros(3)) + turned[..., :3] * (turned[..., 3:] / 255)
    if rng.uniform() < 0.3:
        y, x = np.mgrid[0:height, 0:width] / min(shape)
        finger = np.hypot((x - rng.uniform(0, 0.2)) / 0.16, y - height / min(shape) + 0.02) < rng.uniform(0.1, 0.25)
        scene[finger] = np.array([205, 150, 125]) * (1 - 0.5 * rng.uniform())
    return text, taken(scene, rng)


def shaken(writer: Writer, rng: Rng) -> Made:
    """The hand moved, and the file was saved small"""
    shape = camera_shape(rng)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.25, 0.8))
    scene = inked(ink, paper(rng, shape), ink_colour(rng))
    size = max(3, round(min(shape) * rng.uniform(0.004, 0.025)))
    kernel = np.zeros((size, size))
    ramp, angle = np.linspace(-0.5, 0.5, 4 * size), rng.uniform(0, 3.14)
    places = ((size - 1) * (0.5 + np.stack([ramp * np.sin(angle), ramp * np.cos(angle)]))).round().astype(int)
    kernel[places[0], places[1]] = 1
    blurred = np.dstack([ndimage.convolve(scene[..., channel], kernel / kernel.sum()) for channel in range(3)])
    return text, taken(blurred, rng, quality=(15, 40))
