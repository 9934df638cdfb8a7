"""The digits in a picture: the best of several readings, the network's answers, and a drawing of what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from featherweight.errors import FileError
from featherweight.escape import printable
from featherweight.experiments.calibration import Calibration
from featherweight.reading.binarize import LARGE, Ink, readings
from featherweight.reading.network import Floats, Scorer, energy, probabilities
from featherweight.reading.normalise import as_it_is, in_mnist_manner, views
from featherweight.reading.picture_files import Picture
from featherweight.reading.segments import Part, Segment, apart, segments

CLEAR = 0.9
"""A reading with at least this score is accepted without trying the others."""
LEAST = 0.2
"""A reading with less than this score shows no digit."""
BORDER = 0.35
"""Anything that covers more of the picture's edges is unlikely to be a digit."""
PALE = 0.75
"""Digits are at least this dark, relative to the darkest ink in the picture; remains of ruled lines are paler."""
SMALL = 0.1
"""A digit smaller than this fraction of a large picture is read again from a close-up."""
MOST = 40
"""The most digits that one picture may have."""
CROWD = 12
"""If there are more pieces than this, each is taken for one digit: looking for two in each would take too long."""


@dataclass(frozen=True, kw_only=True)
class Digit:
    """One digit that was found in a picture: its class, probabilities and box."""

    name: str
    """The name of its class."""
    confidence: float
    """The calibrated probability of that class."""
    probabilities: tuple[float, ...]
    box: tuple[int, int, int, int]
    """Left, top, right and bottom in the upright picture's pixels; the last two are one past the end."""
    seen: NDArray[np.uint8]
    """What the network was given: [28 28], or [H W 3]."""
    classes: tuple[str, ...] = ()
    """The names of the classes, in the order of the probabilities."""
    choices: tuple[str, ...] = ()
    """The set of classes that holds the right one as often as the calibration says; () without one."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; a class whose name is a number becomes that number."""
        return {"digit": plain(self.name), "confidence": self.confidence, "box": list(self.box)}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer for one picture: the digits found in it, or an error."""

    file: str
    digits: tuple[Digit, ...] = ()
    """In reading order: lines from top to bottom, each from left to right."""
    error: str | None = None
    """Why there is no answer, in a sentence."""
    status: int = 0
    """The exit status of that error."""
    unlike: bool = False
    """Whether one of the digits is so unlike any digit that the picture may show none."""
    unknown: bool | None = None
    """Whether the calibrated network says "none of these", of one digit at least; None if it has no threshold."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; digit, confidence and probabilities are None unless there is exactly one digit."""
        one = self.digits[0] if len(self.digits) == 1 else None
        return {
            "file": self.file,
            "digit": plain(one.name) if one else None,
            "confidence": one.confidence if one else None,
            "probabilities": list(one.probabilities) if one else None,
            "digits": [digit.to_json() for digit in self.digits],
            "unlike": self.unlike,
            "unknown": self.unknown,
            "set": [plain(name) for name in one.choices] if one and one.choices else None,
            "error": self.error,
        }


def plain(name: str) -> int | str:
    """The name of a class as it appears in JSON: an integer if it consists of digits, otherwise the name itself.

    >>> plain("7"), plain("shoe")
    (7, 'shoe')
    """
    return int(name) if name.isdecimal() and name.isascii() else name


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One reading's digits, scored."""

    score: float
    places: list[tuple[int, int, int, int]]
    seen: list[NDArray[np.uint8]]
    chances: NDArray[np.float32]
    inks: list[NDArray[np.float32]]
    """The ink of each digit; empty if the picture was used unchanged."""
    energy: float
    """The least of the digits' (`network.energy`)."""
    scores: Floats
    """[N classes]."""


def answer(
    picture: Picture,
    file: str,
    scorer: Scorer,
    temperature: float,
    classes: tuple[str, ...],
    least_energy: float = -np.inf,
    calibration: Calibration | None = None,
) -> Answer:
    """The digits in a picture, as read by a network trained on MNIST-like images; no digits if none are found.

    `scorer` maps uint8 [N 28 28] to scores [N classes], and `temperature` divides them before softmax. With less than
    `least_energy`, the answer is marked as unlike any digit; a `calibration` decides whether it is unknown.
    """
    best = best_reading(picture.pixels, scorer, temperature)
    if best is None:
        return Answer(file=file, unknown=True if calibration and calibration.threshold is not None else None)
    factor = picture.size[0] / picture.pixels.shape[1]
    boxes = [
        (int(left * factor), int(top * factor), round(right * factor), round(bottom * factor))
        for left, top, right, bottom in best.places
    ]
    found = answer_of(file, best.scores, temperature, classes, boxes, best.seen, calibration)
    return replace(found, unlike=best.energy < least_energy)


def answer_of(
    file: str, scores: Floats, temperature: float, classes: tuple[str, ...],
    boxes: Sequence[tuple[int, int, int, int]], seen: Sequence[NDArray[np.uint8]], calibration: Calibration | None,
) -> Answer:  # fmt: skip
    """The answer by the scores of its digits, [N classes], with the box of each and what was seen of it."""
    chances = probabilities(scores, temperature)
    refused = None if calibration is None else calibration.unknown(scores)
    digits = []
    for row, box, image in zip(chances, boxes, seen, strict=True):
        choices = tuple(classes[at] for at in calibration.choices(row)) if calibration else ()
        digits.append(replace(digit_of(row, classes, box, image), choices=choices))
    return Answer(file=file, digits=tuple(digits), unknown=None if refused is None else bool(refused.any()))


def best_reading(pixels: NDArray[np.uint8], scorer: Scorer, temperature: float) -> _Reading | None:
    """The most plausible reading of a picture, uint8 [h w 3], with touching digits separated; None if it shows none."""
    best = _best(pixels, scorer, temperature)
    if best is not None:
        best = _settled(_close_up(pixels, best, scorer, temperature), scorer, temperature)
    return None if best is None or best.score < LEAST else best


def digit_of(
    chances: NDArray[np.float32], classes: tuple[str, ...], box: tuple[int, int, int, int], seen: NDArray[np.uint8]
) -> Digit:
    """A digit of the most probable class, given the probabilities of all classes, [classes]."""
    first = int(chances.argmax())
    shares = tuple(float(chance) for chance in chances)
    name = classes[first]
    return Digit(name=name, confidence=shares[first], probabilities=shares, box=box, seen=seen, classes=classes)


def _close_up(pixels: NDArray[np.uint8], far: _Reading, scorer: Scorer, temperature: float) -> _Reading:
    """The same digits from a close-up, if they are so small that shrinking the picture has lost their detail."""
    boxes = np.array(far.places)
    size = int((boxes[:, 2:] - boxes[:, :2]).max())
    if not SMALL * max(pixels.shape) > size or max(pixels.shape) <= LARGE:
        return far
    left, top = np.maximum(boxes[:, :2].min(0) - 2 * size, 0)
    right, bottom = boxes[:, 2:].max(0) + 2 * size
    near = _best(pixels[top:bottom, left:right], scorer, temperature)
    if near is None or len(near.places) != len(far.places) or near.score < LEAST:
        return far
    places = [(a + int(left), b + int(top), c + int(left), d + int(top)) for a, b, c, d in near.places]
    return replace(near, places=places)


def _settled(reading: _Reading, scorer: Scorer, temperature: float) -> _Reading:
    """The reading with touching digits separated, and each digit answered from several views of it."""
    if not reading.inks:
        return reading

    def sure(inks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        chances = probabilities(scorer(np.stack([in_mnist_manner(ink) for ink in inks])), temperature)
        return np.asarray(chances.max(1), dtype=np.float64)

    crowded = len(reading.inks) > CROWD
    places, inks = [], []
    for (left, top, right, bottom), ink in zip(reading.places, reading.inks, strict=True):
        down, across = (bottom - top) / ink.shape[0], (right - left) / ink.shape[1]
        for part in [Part(ink=ink, top=0, left=0)] if crowded else apart(ink, sure):
            x, y = left + part.left * across, top + part.top * down
            height, width = part.ink.shape
            places.append((int(x), int(y), round(x + width * across), round(y + height * down)))
            inks.append(part.ink)
    several = [views(ink) for ink in inks]
    scores = scorer(np.concatenate(several)).reshape(len(inks), len(several[0]), -1).mean(1)
    seen = [first for first, *_ in several]
    found = _of_scores(scores, temperature)
    return replace(reading, places=places, inks=inks, seen=seen, **found)


def _of_scores(scores: Floats, temperature: float) -> dict[str, Any]:
    """What a reading has from the scores of its digits, [N classes]."""
    return {"chances": probabilities(scores, temperature), "energy": float(energy(scores).min()), "scores": scores}


def _best(pixels: NDArray[np.uint8], scorer: Scorer, temperature: float) -> _Reading | None:
    """The reading with the highest score, or the first clear one; None if nothing is found at all."""
    given = as_it_is(pixels)
    if given is not None:
        found = _of_scores(scorer(given[None]), temperature)
        return _Reading(score=1.0, places=[_ink_box(given)], seen=[given], inks=[], **found)
    best: _Reading | None = None
    for ink in readings(pixels):
        pieces = segments(ink)
        if not pieces or len(pieces) > MOST:
            continue
        seen = [in_mnist_manner(segment.ink) for segment in pieces]
        found = _of_scores(scorer(np.stack(seen)), temperature)
        score = _score(ink, pieces, found["chances"])
        if best is None or score > best.score:
            places = [_box_of(segment, ink.scale) for segment in pieces]
            inks = [segment.ink for segment in pieces]
            best = _Reading(score=score, places=places, seen=seen, inks=inks, **found)
        if score >= CLEAR:
            break
    return best


def _score(ink: Ink, found: list[Segment], chances: NDArray[np.float32]) -> float:
    """How plausible a reading is, 0 to 1."""
    edges, border = max(segment.edges for segment in found), sum(segment.border for segment in found)
    trust = ink.trust * (1.0 if max(segment.strength for segment in found) > PALE else 0.75)
    faded = 0.5 if ink.drawn and border < 2 * BORDER else 0.15
    trust *= (1.0 if border < (BORDER if ink.drawn else BORDER / 3) else faded) * (1.0 if ink.drawn else 0.85**edges)
    share = 0.3 + 0.7 * min(1.0, sum(segment.mass for segment in found))
    several: float = 0.95 ** (len(found) - 1)
    return float(chances.max(1).mean()) * trust * share * several


def _box_of(segment: Segment, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels of the original picture."""
    left, top = int(segment.left / scale), int(segment.top / scale)
    return left, top, max(left + 1, round(segment.right / scale)), max(top + 1, round(segment.bottom / scale))


def _ink_box(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero((image > 32).any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


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
    """A drawing of an answer: the picture with a box around each digit; to its right, each digit as the network saw it,
    in reading order."""
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
