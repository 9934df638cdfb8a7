"""A picture of what the network saw: the original with a box around each digit, and each digit enlarged beside it."""

from pathlib import Path

from PIL import Image, ImageDraw

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.reading.answers import Answer
from featherweight.reading.reading import Picture

SIDE, ENLARGED, MARGIN = 360, 168, 12
"""Pixels: the longer side of the original, the side of each digit, and the space between them."""
BOX, PAPER, INK = (215, 60, 40), (245, 245, 245), (30, 30, 30)


def save_seen(answer: Answer, picture: Picture, folder: Path) -> Path:
    """Write the picture of one answer to the folder under an unused name, and return its path.

    Raises FileError if it cannot be written.
    """
    sheet = draw_answer(answer, picture)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _unused_path(folder, Path(answer.file).stem)
        sheet.save(path)
    except OSError as error:
        raise FileError(
            f"{printable(folder)} could not be written to ({error.strerror}); name another folder."
        ) from error
    return path


def draw_answer(answer: Answer, picture: Picture) -> Image.Image:
    """The original with a box around each digit; to its right, each digit as the network saw it, in reading order."""
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


def _unused_path(folder: Path, stem: str) -> Path:
    """An unused path in the folder; characters that do not belong in a file name are left out."""
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in stem)[:80] or "picture"
    number = 1
    path = folder / f"{kept}.png"
    while path.exists():
        number += 1
        path = folder / f"{kept}-{number}.png"
    return path
