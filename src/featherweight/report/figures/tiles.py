"""Figures of many small images with a caption each: mistakes, samples, images as the network saw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featherweight.errors import UsageError
from featherweight.report.analysis.answers import Answers, mistakes
from featherweight.report.analysis.model_input import Seen
from featherweight.report.figures.style import INK, RULE, WIDTH, blank, in_house_style, share, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAP = 0.12
"""The space between two images, as a fraction of their width."""
LINE = 0.165
"""The height of a line of a caption, in inches."""


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
    """Write the words above the first row, one per image, repeating them as needed."""
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
    """The positions of `count` of `total` things, evenly spaced from the first: a sample without any choice.

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
