"""What lies around digits and is none: circles, boxes, print, pens, fingers, torn edges, borders of scans, windows.

With the kinds of sheets.py, these are the third set, and the reader was developed on them. As in hard.py, each kind
takes who writes and a random generator, and gives what is written and a Pillow image.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from . import sheets
from .glyphs import Floats
from .hands import Pen, Rng, Writer, row
from .hard import (
    Kind,
    Made,
    any_pen,
    camera_shape,
    drawn_or_taken,
    ink_colour,
    paper,
    table_top,
    taken,
    written,
)
from .media import INKS, as_image, between, inked, jpeg, rulings

Sides = tuple[float, float, float, float]
"""Of top, bottom, left and right."""


def depths(shape: tuple[int, int]) -> Floats:
    """How far each place is from the top, the bottom, the left and the right, in pixels: [4 h w]."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    return np.stack([y, shape[0] - 1 - y, x, shape[1] - 1 - x])


def rooms(ink: Floats) -> Sides:
    """How many pixels are free between the ink and each of the four sides."""
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis)) for axis in (1, 0))
    height, width = ink.shape
    return float(rows[0]), float(height - 1 - rows[-1]), float(columns[0]), float(width - 1 - columns[-1])


def laid(thing: Floats, scene: Floats, cover: Floats, fall: int) -> Floats:
    """A thing, a colour or [h w 3], over a scene [h w 3] where `cover` [h w] is 1; its shadow falls so many pixels."""
    shadow = ndimage.gaussian_filter(ndimage.shift(cover, fall, order=0, mode="nearest"), fall)
    return inked(cover, scene * (1 - 0.3 * shadow)[..., None], thing)


def outlined(points: Floats, shape: tuple[int, int], width: float) -> Floats:
    """Ink 0 to 1 [h w] of a smooth line through points, [P 2] as x and y."""
    times = 3
    picture = Image.new("L", (shape[1] * times, shape[0] * times))
    line = [(float(x), float(y)) for x, y in points * times]
    ImageDraw.Draw(picture).line(line, fill=255, width=max(1, round(width * times)), joint="curve")
    return np.asarray(picture.reduce(times)) / 255


def circled(writer: Writer, rng: Rng) -> Made:
    """A circle around it, from the same pen"""
    height, width = between(rng, 60, 300), between(rng, 0.03, 0.07)
    text, ink = row(writer, rng, height, Pen(width=width))
    radius, stretch = 0.5 * np.hypot(*ink.shape) * rng.uniform(1.2, 1.5), np.array([rng.uniform(0.9, 1.15), 1])
    reach = np.ceil(radius * rng.uniform(1.2, 1.6) * stretch).astype(int)
    shape = (2 * int(reach[1]), 2 * int(reach[0]))
    # Hands close no circle exactly: they start again a little further in or out.
    angles = rng.uniform(0, 6.3) + np.linspace(0, 2 * np.pi * rng.uniform(0.97, 1.06), 80)
    radii = radius * (1 + 0.04 * np.sin(2 * angles + rng.uniform(0, 6.3)) + np.linspace(0, rng.normal(0, 0.03), 80))
    circle = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] * stretch + reach
    top, left = (shape[0] - ink.shape[0]) // 2, (shape[1] - ink.shape[1]) // 2
    total = outlined(circle, shape, width * height)
    inner = total[top : top + ink.shape[0], left : left + ink.shape[1]]
    np.maximum(inner, ink, out=inner)
    return text, drawn_or_taken(total, rng, ink_colour(rng))


def comb(writer: Writer, rng: Rng) -> Made:
    """A number in the boxes of a form, a digit in each"""
    height = int(between(rng, 60, 180))
    width, line, strength = int(height * rng.uniform(0.75, 1)), max(1, height // 50), rng.uniform(0.4, 1)
    margin = line + 2 + height // 25
    text = ""
    boxes: list[Floats] = []
    for _ in range(rng.integers(2, 6)):
        pen = Pen(width=between(rng, 0.05, 0.1))
        digit, box = written(writer, rng, (height - 2 * margin, width - 2 * margin), pen, (0.65, 0.9))
        box = np.pad(box, margin)
        box[:line] = box[-line:] = box[:, :line] = strength
        text += digit
        boxes.append(box)
    ink = np.pad(np.concatenate(boxes, 1), ((0, 0), (0, line)), constant_values=strength)
    return text, drawn_or_taken(np.pad(ink, int(height * rng.uniform(0.2, 0.6))), rng, np.array([25, 25, 60.0]))


def torn(writer: Writer, rng: Rng) -> Made:
    """A scrap of paper on a table, torn off at one side or more"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.45))
    kept = np.ones(shape)
    for side, (depth, room) in enumerate(zip(depths(shape), rooms(ink), strict=True)):
        free = max(0.0, room - 0.03 * min(shape))
        edge = np.minimum(rng.uniform(0.2, 0.8) * free + _ragged(rng, shape[1 if side < 2 else 0], min(shape)), free)
        if rng.uniform() < 0.6:
            kept[depth < (edge[None] if side < 2 else edge[:, None])] = 0
    sheet = inked(ink, paper(rng, shape), ink_colour(rng))
    return text, taken(laid(sheet, table_top(rng, shape), kept, max(shape) // 200 + 1), rng)


def _ragged(rng: Rng, length: int, size: int) -> Floats:
    """How far a torn edge strays from a straight line along its length, in pixels."""
    slow, fine = (ndimage.gaussian_filter1d(rng.normal(0, 1, length), soft) for soft in (length / 20, 2))
    return np.asarray(0.015 * size * slow / slow.std() + 1.5 * fine)


def punched(writer: Writer, rng: Rng) -> Made:
    """Punched holes along a side"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.6))
    lines = rulings(rng, shape, bool(rng.uniform() < 0.4)) * rng.choice([0, rng.uniform(0.3, 0.8)])
    sheet = inked(ink, inked(lines, paper(rng, shape), np.array([120, 150, 210.0])), ink_colour(rng))
    _, _, left, right = rooms(ink)
    radius = min(0.02 * max(shape), 0.3 * max(left, right))
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    column = 1.7 * radius if left > right else shape[1] - 1 - 1.7 * radius
    rows = shape[0] * (rng.uniform(0.02, 0.25) + 0.25 * np.arange(4))
    holes = np.hypot(y - rows[:, None, None], x - column).min(0) < radius
    return text, taken(inked(holes.astype(float), sheet, table_top(rng, shape)), rng)


def lying(writer: Writer, rng: Rng) -> Made:
    """A pen lies beside it"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.45))
    scene = inked(ink, paper(rng, shape), ink_colour(rng))
    _, _, left, right = rooms(ink)
    room = max(left, right)
    middle = np.array([room / 2 if left > right else shape[1] - 1 - room / 2] * 2) + rng.uniform(-0.2, 0.2, 2) * room
    line = np.stack([middle, shape[0] * np.array([rng.uniform(-0.2, 0.4), 1.1])], 1)
    cover = outlined(line, shape, min(0.03 * max(shape), 0.3 * room))
    colour = np.array([(20, 20, 25), (30, 50, 160), (200, 180, 40), (180, 30, 40)][rng.integers(4)], float)
    return text, taken(laid(colour, scene, cover, max(shape) // 100 + 1), rng)


def held(writer: Writer, rng: Rng) -> Made:
    """Fingers hold the sheet at its lower edge"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.2, 0.5))
    _, below, left, right = rooms(ink)
    picture = Image.new("L", (shape[1], shape[0]))
    wide, start = 0.07 * min(shape), rng.uniform(0.1, 0.7) * shape[1]
    for place in range(rng.integers(1, 4)):
        x, length = start + 1.15 * wide * place, rng.uniform(0.08, 0.3) * shape[0]
        if left - wide < x < shape[1] - right + wide:
            length = min(length, below - 0.05 * shape[0])
        box = (x, shape[0] - length, x + wide, 1.2 * shape[0])
        ImageDraw.Draw(picture).rounded_rectangle(box, wide / 2, fill=255 if length > 0 else 0)
    cover = ndimage.gaussian_filter(np.asarray(picture) / 255, 1.5)
    skin = np.array([(215, 165, 140), (160, 110, 85), (95, 62, 48)][rng.integers(3)], float)
    scene = inked(ink, paper(rng, shape), ink_colour(rng))
    return text, taken(laid(skin, scene, cover, min(shape) // 40), rng)


def bordered(writer: Writer, rng: Rng) -> Made:
    """A scan that shows the lid or the glass beyond the sheet, at any of its sides"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, any_pen(rng), (0.15, 0.7))
    scene = inked(ink * rng.uniform(0.7, 1), paper(rng, shape), ink_colour(rng))
    tone, total = np.full(3, float(rng.choice([0, 30, 120, 200]))), depths(shape)
    for side, depth in enumerate(total):
        if rng.uniform() < 0.5:
            wide = rng.uniform(0.003, 0.06) * min(shape) + rng.normal(0, 0.01) * total[2 if side < 2 else 0]
            scene = inked(np.clip((wide - depth) / rng.uniform(1, 12) + 0.5, 0, 1), scene, tone)
    image = as_image(scene + rng.normal(0, rng.uniform(0, 4), scene.shape))
    image = image.convert("L") if rng.uniform() < 0.6 else image
    return text, jpeg(image, 70) if rng.uniform() < 0.5 else image


def window(writer: Writer, rng: Rng) -> Made:
    """A paint program's window: its title, menu and tools around the canvas"""
    shape = (int(between(rng, 300, 900)), int(between(rng, 400, 1200)))
    pen = Pen(width=between(rng, 0.02, 0.12), hard=rng.uniform() < 0.5)
    text, ink = written(writer, rng, shape, pen, (0.3, 0.85))
    colour = np.array(INKS[rng.integers(len(INKS))], float) if rng.uniform() < 0.4 else np.zeros(3)
    bar, tools, margin = int(rng.uniform(24, 60)), int(rng.choice([0, 50, 80])), int(rng.choice([0, 1, 12, 40]))
    dark = rng.uniform() < 0.25
    around, front = (45, 230) if dark else (int(rng.uniform(190, 245)), 20)
    image = Image.new("RGB", (shape[1] + tools + 2 * margin, shape[0] + bar + 2 * margin), (around,) * 3)
    brush = ImageDraw.Draw(image)
    title = [(0, 90, 170), (240, 240, 240), (60, 60, 60)][rng.integers(3)]
    font = ImageFont.load_default(max(10, bar // 3))
    brush.rectangle((0, 0, image.width, bar * 0.55), fill=title)
    brush.text((8, 2), "untitled - Paint", fill=(128,) * 3, font=font)
    brush.text((8, bar * 0.55), "File  Edit  View  Image  Help", fill=(front,) * 3, font=font)
    for place in range(min(10, shape[0] // 30) if tools else 0):
        x, y = 6 + place % 2 * tools // 2, bar + 8 + place // 2 * 28
        brush.rectangle((x, y, x + tools // 2 - 10, y + 22), outline=(front,) * 3)
    if margin:
        corner = (tools + margin - 1, bar + margin - 1)
        brush.rectangle((*corner, corner[0] + shape[1] + 1, corner[1] + shape[0] + 1), outline=(120,) * 3)
    image.paste(as_image(inked(ink, np.full(3, 255.0), colour)), (tools + margin, bar + margin))
    return text, image


PRINT = "Please write the number into the field below and sign. Lorem ipsum dolor sit amet consectetur " * 3


def printed(writer: Writer, rng: Rng) -> Made:
    """Printed lines above or below it, where there is more room"""
    shape = camera_shape(rng, 400, 1000)
    text, ink = written(writer, rng, shape, Pen(width=between(rng, 0.04, 0.1)), (0.3, 0.55))
    above, below, _, _ = rooms(ink)
    size = int(min(shape) * rng.uniform(0.02, 0.04))
    top, start = above > below, rng.uniform(0.3, 1.0) * size
    picture = Image.new("L", (shape[1], shape[0]))
    for place in range(rng.integers(1, 4)):
        far = start + 1.4 * size * place
        if far + 2 * size > (above if top else below):
            break
        y = far if top else shape[0] - far - 1.2 * size
        ImageDraw.Draw(picture).text((-int(rng.integers(200)), y), PRINT, fill=255, font=ImageFont.load_default(size))
    total = np.maximum(ink, np.asarray(picture) / 255)
    return text, taken(inked(total, paper(rng, shape), np.array([25, 25, 35.0])), rng)


def note(writer: Writer, rng: Rng) -> Made:
    """A coloured note, stuck on a desk askew"""
    shape = camera_shape(rng, 400, 1000)
    side = int(min(shape) * rng.uniform(0.45, 0.8))
    text, ink = written(writer, rng, (side, side), Pen(width=between(rng, 0.04, 0.1)), (0.35, 0.8))
    tones = [(250, 240, 120), (250, 170, 190), (160, 220, 250), (170, 240, 170), (255, 180, 90)]
    sheet = inked(ink, paper(rng, (side, side), tones[rng.integers(5)]), ink_colour(rng))
    card = Image.fromarray(np.dstack([sheet, np.full(ink.shape, 255.0)]).clip(0, 255).astype(np.uint8), "RGBA")
    card = card.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    plane = Image.new("RGBA", (shape[1], shape[0]))
    plane.paste(card, (int(rng.uniform(0, shape[1] - card.width)), int(rng.uniform(0, shape[0] - card.height))))
    values = np.asarray(plane, float)
    desk = table_top(rng, shape) if rng.uniform() < 0.6 else paper(rng, shape, (200 + 40 * rng.uniform(),) * 3)
    return text, taken(laid(values[..., :3], desk, values[..., 3] / 255, 5), rng)


def wall(writer: Writer, rng: Rng) -> Made:
    """A board, and the wall beyond it at any of its sides"""
    shape = camera_shape(rng, 400, 1000)
    pen = Pen(width=between(rng, 0.05, 0.12), swell=0.2, grain=0.7)
    text, ink = written(writer, rng, shape, pen, (0.25, 0.5))
    board = paper(rng, shape, [(30, 60, 45), (45, 48, 50)][rng.integers(2)])
    scene = inked(ink * 0.9, board, np.array([235, 235, 228.0]))
    total, colour = depths(shape), np.array([(215, 210, 200), (170, 120, 70)][rng.integers(2)], float)
    for side, (depth, room) in enumerate(zip(total, rooms(ink), strict=True)):
        free = room - 0.05 * min(shape)
        if free > 0 and rng.uniform() < 0.5:
            scene[depth < rng.uniform(0.2, 0.8) * free + rng.normal(0, 0.01) * total[2 if side < 2 else 0]] = colour
    return text, taken(scene, rng)


def edge(writer: Writer, rng: Rng) -> Made:
    """Against a side of the picture or in its corner, without being cut"""
    side = int(between(rng, 60, 900))
    text, ink = row(writer, rng, rng.uniform(0.3, 0.9) * side, any_pen(rng))
    ink = ink[:side, :side]
    room = np.array([side - ink.shape[0], side - ink.shape[1]])
    place = rng.uniform(0, 1, 2)
    first = int(rng.integers(2))
    place[first] = round(place[first])
    if rng.uniform() < 0.3:
        place = place.round()
    top, left = (int(part) for part in room * place)
    plane = np.pad(ink, ((top, room[0] - top), (left, room[1] - left)))
    return text, drawn_or_taken(plane, rng, ink_colour(rng))


def lines(writer: Writer, rng: Rng) -> Made:
    """Two lines, of two or three digits each"""
    side, count = int(between(rng, 400, 900)), int(rng.integers(2, 4))
    pen = Pen(width=between(rng, 0.05, 0.09))
    text = ""
    halves: list[Floats] = []
    for _ in range(2):
        part, ink = written(writer, rng, (int(0.42 * side), side - 10), pen, (0.45, 0.65), count, (0.15, 0.4))
        text += part
        halves.append(np.pad(ink, ((int(0.04 * side),) * 2, (5, 5))))
    return text, drawn_or_taken(np.concatenate(halves), rng, ink_colour(rng))


AROUND: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (circled, comb, torn, punched, lying, held, bordered, window, printed, note, wall, edge, lines,
                 *sheets.SHEETS)
}  # fmt: skip
"""Every kind of the third set by name."""
