"""What the network saw, as a picture: the original with its boxes, and each digit beside it, enlarged."""

from pathlib import Path

from PIL import Image, ImageDraw

from featherweight.errors import FileError
from featherweight.files import printable
from featherweight.ship.predict.answers import Answer
from featherweight.ship.predict.reading import Picture

SIDE, ENLARGED, MARGIN = 360, 168, 12
"""Pixels: the original's longer side, each digit's side, and the room between them."""
BOX, PAPER, INK = (215, 60, 40), (245, 245, 245), (30, 30, 30)


def save_seen(answer: Answer, picture: Picture, folder: Path) -> Path:
    """Write the picture of one answer into the folder, under a name that is free; FileError when it cannot be."""
    sheet = drawn(answer, picture)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _free(folder, Path(answer.file).stem)
        sheet.save(path)
    except OSError as error:
        raise FileError(
            f"{printable(folder)} could not be written to ({error.strerror}); name another folder."
        ) from error
    return path


def drawn(answer: Answer, picture: Picture) -> Image.Image:
    """The original with a box around each digit; right of it, in reading order, what the network saw of each."""
    factor = SIDE / max(picture.size)
    size = tuple(max(1, round(side * factor)) for side in picture.size)
    original = Image.fromarray(picture.pixels).resize((size[0], size[1]))
    pen = ImageDraw.Draw(original)
    for digit in answer.digits:
        left, top, right, bottom = (value * factor for value in digit.box)
        pen.rectangle([left - 2, top - 2, right + 1, bottom + 1], outline=BOX, width=2)
    tile = ENLARGED + MARGIN
    rows = max(1, (max(SIDE, ENLARGED) + MARGIN) // (tile + MARGIN))
    columns = -(-len(answer.digits) // rows)
    sheet = Image.new("RGB", (SIDE + 2 * MARGIN + columns * tile, SIDE + 2 * MARGIN + 24), PAPER)
    sheet.paste(original, (MARGIN, MARGIN))
    words = ImageDraw.Draw(sheet)
    for place, digit in enumerate(answer.digits):
        left, top = SIDE + 2 * MARGIN + place // rows * tile, MARGIN + place % rows * (tile + MARGIN)
        sheet.paste(Image.fromarray(digit.seen).resize((ENLARGED, ENLARGED), Image.Resampling.NEAREST), (left, top))
        words.text((left, top + ENLARGED + 2), f"{printable(digit.name)}  {100 * digit.confidence:.1f} %", fill=INK)
    if not answer.digits:
        words.text((MARGIN, SIDE + MARGIN + 4), "no digit found", fill=INK)
    return sheet


def _free(folder: Path, stem: str) -> Path:
    """A path in the folder that nothing has yet; what does not belong into a file's name is left out of it."""
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in stem)[:80] or "picture"
    number = 1
    path = folder / f"{kept}.png"
    while path.exists():
        number += 1
        path = folder / f"{kept}-{number}.png"
    return path
