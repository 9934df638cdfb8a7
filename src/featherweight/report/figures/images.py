"""Figures made of small images: mistakes, samples, images as they were seen, receptive fields, kernels, evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featherweight.errors import UsageError
from featherweight.report.analysis import Answers, mistakes
from featherweight.report.attribution import ClassEvidence, Field, Seen
from featherweight.report.figures.style import INK, RULE, WIDTH, blank, in_house_style, share, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 0.12
"""The space between two images, as a fraction of their width."""
LINE = 0.165
"""The height of a line of a caption, in inches."""
MOST_FIELDS = 16
MOST_KERNELS = 64


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Images laid out in rows on one pair of axes, in units of an image's width."""

    figure: "Figure"
    axes: "Axes"
    places: tuple[tuple[float, float], ...]
    """Left and top of each image."""
    height: float
    """The height of an image whose width is 1."""


def rgb(images: NDArray[Any]) -> NDArray[np.float64]:
    """Images, 0 to 1 or uint8 [N C H W], as colours 0 to 1 [N H W 3]: the mean in grey unless there are 3 channels."""
    values = images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    if values.shape[1] != 3:
        values = values.mean(axis=1, keepdims=True).repeat(3, axis=1)
    return values.clip(0, 1).transpose(0, 2, 3, 1)


def sheet(
    images: NDArray[Any], captions: Sequence[str], columns: int, *, head: float = 0.0, size: float = 8.5
) -> Sheet:
    """Colours [N H W 3 or 4] in rows of `columns`, each with a caption of one or more lines, cut to the image's width.

    `head` is the space above the first row, in inches. Rows are as high as their longest caption needs. UsageError if
    there are no images.
    """
    if not len(images):
        raise UsageError("There is no image to draw; this figure needs one or more.")
    count, height = len(images), images.shape[1] / images.shape[2]
    room = 72 * (WIDTH - 0.1) / columns - 3  # width in points, from one image to the next
    captions = ["\n".join(shorten(line, room, size) for line in text.split("\n")) for text in captions]
    inch = columns * (1 + GAP) / (WIDTH - 0.1)  # units per inch
    lines = [max((text.count("\n") + 1) * (text != "") for text in captions[at : at + columns])
             for at in range(0, count, columns)]  # fmt: skip
    tops, top = [], head * inch
    for many in lines:
        tops.append(top)
        top += height + (LINE * many + 0.06) * inch + GAP / 2
    figure = blank(top / inch + 0.1)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.05 / WIDTH, 0.0, 1 - 0.1 / WIDTH, 1.0))
    axes.set(xlim=(0, columns * (1 + GAP)), ylim=(top + 0.05 * inch, -0.05 * inch))
    axes.axis("off")
    places = []
    for at, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, above = (at % columns) * (1 + GAP) + GAP / 2, tops[at // columns]
        axes.imshow(image, extent=(left, left + 1, above + height, above), interpolation="none", aspect="auto")
        axes.text(left + 0.5, above + height + 0.05 * inch, caption, ha="center", va="top", fontsize=size, color=INK,
                  linespacing=1.3)  # fmt: skip
        frame(axes, left, above, 1, height)
        places.append((left, above))
    axes.set(xlim=(0, columns * (1 + GAP)), ylim=(top + 0.05 * inch, -0.05 * inch))
    return Sheet(figure=figure, axes=axes, places=tuple(places), height=height)


def frame(axes: "Axes", left: float, top: float, width: float, height: float, color: str = RULE) -> None:
    """Draw a thin line around an image, so that its edge is visible on any background."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=color, linewidth=0.8))


def head(made: Sheet, words: Sequence[str], columns: int) -> None:
    """Write headings above the first row of a sheet of images, one per image, repeating them as needed."""
    for place, (left, top) in enumerate(made.places[:columns]):
        made.axes.text(left + 0.5, top - 0.03, words[place % len(words)], ha="center", va="bottom", fontsize=9,
                       color=INK, fontweight="bold")  # fmt: skip


def verdict_caption(truth: str, chosen: str, confidence: float) -> str:
    """A caption of label, answer and confidence; names of one or two letters are on one line.

    >>> verdict_caption("4", "9", 0.75), verdict_caption("Bag", "Bag", 1.0)
    ('4 → 9\\n75.0 %', 'Bag\\n100 %')
    """
    if truth == chosen:
        return f"{truth}\n{share(confidence)}"
    if len(truth) + len(chosen) <= 6:
        return f"{truth} → {chosen}\n{share(confidence)}"
    return f"{truth}\n→ {chosen}\n{share(confidence)}"


@in_house_style
def misclassified(answers: Answers, images: NDArray[Any], *, most: int = 1000) -> "Figure":
    """Every misclassified image with its label, the predicted class and the confidence.

    The most confident mistake comes first. `images` are the whole test set, uint8 [N C H W]. At most `most` mistakes
    are drawn; UsageError if there are none.
    """
    found = mistakes(answers)[:most]
    if not found:
        raise UsageError("Nothing was misclassified, so there is nothing to draw.")
    captions = [verdict_caption(answers.classes[one.truth], answers.classes[one.chosen], one.confidence)
                for one in found]  # fmt: skip
    return sheet(rgb(images[[one.index for one in found]]), captions, columns=6).figure


@in_house_style
def sheet_of(images: NDArray[Any], captions: Sequence[str]) -> "Figure":
    """Images, uint8 or 0 to 1 [N C H W], six in a row, each with its caption."""
    return sheet(rgb(images), captions, columns=6).figure


def evenly(total: int, count: int) -> list[int]:
    """Which `count` of `total` images a figure shows: evenly spaced from the first, a sample without any choice.

    >>> evenly(10, 4)
    [0, 2, 5, 7]
    """
    return [at * total // count for at in range(count)] if total > count else list(range(total))


@in_house_style
def samples(answers: Answers, images: NDArray[Any], count: int = 18) -> "Figure":
    """Some images of the test set, evenly spaced in its order, with label, answer if different, and confidence."""
    chosen, confidence = answers.chosen, answers.confidence
    places = evenly(len(answers), count)
    captions = [verdict_caption(answers.classes[answers.labels[at]], answers.classes[chosen[at]], confidence[at])
                for at in places]  # fmt: skip
    return sheet(rgb(images[places]), captions, columns=6).figure


@in_house_style
def seen(images: Seen) -> "Figure":
    """Training images in pairs: on the left the original, on the right as the network saw it."""
    pairs = np.stack([images.plain, images.changed], axis=1)  # [N 2 C H W]
    both = pairs.reshape(-1, *images.plain.shape[1:])  # [2N C H W]
    drawn_sheet = sheet(rgb(both), [""] * len(both), columns=8, head=0.22)
    head(drawn_sheet, ("given", "seen"), columns=8)
    for place, (left, top) in enumerate(drawn_sheet.places):
        if place % 2 == 0:  # a bridge between the images of a pair, so that they look closer than two pairs
            drawn_sheet.axes.plot(
                [left + 1, left + 1 + GAP], [top + drawn_sheet.height / 2] * 2, color=INK, linewidth=2
            )
    return drawn_sheet.figure


# ------------------------------------------------------------------------------------------- of weights


def shown_fields(fields: Sequence[Field]) -> list[Field]:
    """All fields, or if there are too many, an evenly spaced selection that includes the last."""
    if len(fields) <= MOST_FIELDS:
        return list(fields)
    return [fields[at] for at in evenly(len(fields) - 1, MOST_FIELDS - 1)] + [fields[-1]]


@in_house_style
def receptive_fields(fields: Sequence[Field], image: NDArray[Any]) -> "Figure":
    """The field of the unit in the middle, layer by layer: pairs of what it can depend on and what it does depend on.

    The left of each pair is the window over `image` (uint8 or 0 to 1, [C H W]); the right is the mean gradient, scaled
    to the layer's own maximum. If there are more than 16 layers, 16 are drawn. UsageError if there is no field.
    """
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    kept = shown_fields(fields)
    if not kept:
        raise UsageError("The network has no layer with a map, so there is no field to draw.")
    picture, shades = rgb(image[None])[0], colormaps["viridis"]
    pictures, captions = [], []
    for field in kept:
        pictures += [picture * 0.75, shades(field.heat)[..., :3]]
        wide = f"{field.height} px" if field.height == field.width else f"{field.height} x {field.width} px"
        captions += [f"{field.kind}\n{wide}", f"{_reach_text(field)}"]
    made = sheet(np.stack(pictures), captions, columns=4, head=0.24)
    for place, (left, top) in enumerate(made.places):
        field = kept[place // 2]
        (first, last), (start, end) = field.window
        pixel_y, pixel_x = made.height / picture.shape[0], 1 / picture.shape[1]
        y0, y1 = max(first, 0), min(last + 1, picture.shape[0])
        x0, x1 = max(start, 0), min(end + 1, picture.shape[1])
        box = Rectangle((left + x0 * pixel_x, top + y0 * pixel_y), (x1 - x0) * pixel_x, (y1 - y0) * pixel_y,
                        fill=False, edgecolor="#ff9d5c", linewidth=1.6)  # fmt: skip
        made.axes.add_patch(box)
    head(made, ("can see", "looks at"), columns=4)
    return made.figure


def reach(field: Field) -> float:
    """How far an effective field reaches: the side in pixels of a square as large as what has 90 % of the gradient."""
    heat = np.sort(field.heat.ravel())[::-1]
    total = heat.sum()
    if total == 0:
        return 0.0
    return float(np.sqrt(1 + int(np.searchsorted(np.cumsum(heat), 0.9 * total))))


def _reach_text(field: Field) -> str:
    return f"90 % within\n{reach(field):.1f} px"


@in_house_style
def kernels(weights: NDArray[np.float64]) -> "Figure":
    """The first layer's kernels [O I height width]: red responds to bright pixels, blue to dark ones; white is zero.

    All kernels share one scale. If there are more than 64, the first 64 are drawn.
    """
    from matplotlib import colormaps

    outputs, inputs = weights.shape[:2]
    flat = weights.reshape(outputs * inputs, *weights.shape[2:])[:MOST_KERNELS]
    largest = float(np.abs(flat).max()) or 1.0
    colours = colormaps["RdBu_r"](0.5 + flat / (2 * largest))[..., :3]
    letters = "RGB" if inputs == 3 else None
    captions = [f"{at // inputs + 1}" + ("" if inputs == 1 else f" {letters[at % 3] if letters else at % inputs + 1}")
                for at in range(len(flat))]  # fmt: skip
    made = sheet(colours, captions, columns=9 if inputs == 3 else 8, head=0.26)
    made.axes.text(0.06, -0.02, f"blue −{largest:.2f}, white 0, red +{largest:.2f}", va="top", fontsize=9, color=INK)
    return made.figure


@in_house_style
def class_evidence(found: ClassEvidence, images: NDArray[Any], names: Sequence[str]) -> "Figure":
    """Each image, its caption under it, with the evidence for its class in orange: the stronger, the more.

    In a contrast of two classes, what speaks for the second is blue.

    `images` are uint8 or 0 to 1, [N C H W], as many as the evidence has maps.
    """
    strength = 0.85 * np.abs(found.heat)[..., None]
    colours = np.where(found.heat[..., None] >= 0, np.array([1.0, 0.55, 0.0]), np.array([0.15, 0.5, 1.0]))
    mixed = rgb(images) * 0.9 * (1 - strength) + colours * strength
    return sheet(mixed, list(names), columns=5).figure
