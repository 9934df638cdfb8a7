"""Figures of answers: errors by class, confusions, calibration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from featherweight.errors import UsageError
from featherweight.report.analysis import Answers, calibration, class_rows, confusion, pooled
from featherweight.report.figures.style import (
    BAND,
    EDGE,
    INK,
    QUIET,
    RULE,
    TARGET,
    TEST,
    blank,
    in_house_style,
    legend_above,
    logarithmic,
    plot,
    short,
)
from featherweight.report.figures.svg import MOST, hover_boxes, hover_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

MOST_BARS = 40
"""If there are more classes, only those with the most errors are drawn; more bars would be thinner than their names."""
MOST_NUMBERS = 16
"""A matrix of more classes than this has shades but no numbers."""
FEWEST = 10
"""A bin of fewer images is drawn as a hollow dot: its accuracy is mostly chance."""


def _require_answers(several: Sequence[Answers]) -> Answers:
    if not several:
        raise UsageError("This figure needs the answers of at least one run; give what `answers_of` returns.")
    return pooled(several)


@in_house_style
def class_errors(*answers: Answers) -> "Figure":
    """For each class, what recall and precision lack to 100 %.

    Bars of errors can start at zero and still be seen, where bars of 99 % could not. For several runs, bars show all of
    them together and dots each one. UsageError without answers.
    """
    rows = class_rows(_require_answers(answers))
    each = [class_rows(one) for one in answers]
    order = sorted(range(len(rows)), key=lambda at: rows[at].right - rows[at].images)[:MOST_BARS]
    kept = sorted(order)
    figure, axes = plot(1.1 + 0.36 * len(kept), grid="x")
    kinds = (("recall", -0.2, TEST, "100 − recall"), ("precision", 0.2, TARGET, "100 − precision"))
    for name, aside, color, label in kinds:
        values = [getattr(rows[at], name) for at in kept]
        places = [place + aside for place in range(len(kept))]
        axes.barh(places, [0 if v is None else 100 - v for v in values], height=0.36, color=color, label=label)
        texts = [f"{rows[at].name}: {name} {'none' if v is None else f'{v:.2f} %'}"
                for at, v in zip(kept, values, strict=True)]  # fmt: skip
        widths = [0 if v is None else 100 - v for v in values]
        hover_boxes(axes, [(0, p - 0.18, w, p + 0.18) for p, w in zip(places, widths, strict=True)], texts)
        if len(each) > 1:
            dots = [
                (100 - getattr(run[at], name), place)
                for run in each
                for at, place in zip(kept, places, strict=True)
                if getattr(run[at], name) is not None
            ]
            label = "each run" if name == "recall" else "_each run"
            axes.plot(*zip(*dots, strict=True), "o", markersize=3, color=INK, markeredgecolor=EDGE,
                      markeredgewidth=0.5, label=label, linestyle="none")  # fmt: skip
    axes.set_yticks(range(len(kept)), [short(rows[at].name) for at in kept])
    axes.set(xlabel="percentage points", ylabel="class", ylim=(len(kept) - 0.4, -0.6), xlim=(0, None))
    if axes.get_xlim()[1] < 0.1:
        axes.set_xlim(0, 1)  # there are no errors, but the axis needs a range
    legend_above(axes)
    return figure


@in_house_style
def confusion_matrix(*answers: Answers) -> "Figure":
    """Counts of images by label (rows) and by predicted class (columns); only mistakes are shaded.

    The diagonal, which is thousands of times larger, is set apart; the counts of several runs are added.
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    whole = _require_answers(answers)
    counts = confusion(whole)
    number, names = len(counts), [short(name, 10) for name in whole.classes]
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    scale, shades = Normalize(0, max(1, wrong.max())), colormaps["YlOrBr"]
    figure = blank(4.15)
    axes = figure.subplots()
    size = 8.5 if number <= 10 and counts.max() < 10_000 else 7
    filled = [(row, column) for row in range(number) for column in range(number) if counts[row, column]]
    for row in range(number):
        axes.add_patch(_draw_cell(row, row, None, True))
    if number <= MOST_NUMBERS:
        edges = [at - 0.5 for at in range(number + 1)]
        axes.hlines(edges, -0.5, number - 0.5, color=RULE, linewidth=0.7)
        axes.vlines(edges, -0.5, number - 0.5, color=RULE, linewidth=0.7)
    for row, column in filled:
        count, same = int(counts[row, column]), row == column
        shade = None if same else shades(0.12 + 0.75 * scale(count))
        if shade is not None:
            axes.add_patch(_draw_cell(row, column, shade, same))
        if number <= MOST_NUMBERS:
            color = INK if shade is None else _on(shade)
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size, color=color)
    filled.sort(key=lambda at: -counts[at])
    hover_boxes(axes, [(column - 0.5, row - 0.5, column + 0.5, row + 0.5) for row, column in filled[: MOST]], [
        f"{whole.classes[row]} taken for {whole.classes[column]}: {counts[row, column]:,}" if row != column
        else f"{whole.classes[row]}: {counts[row, column]:,} right" for row, column in filled[: MOST]
    ])  # fmt: skip
    axes.set(xlim=(-0.5, number - 0.5), ylim=(number - 0.5, -0.5), aspect="equal")
    axes.set(xlabel="predicted class", ylabel="label")
    step = 1 if number <= 2 * MOST_NUMBERS else -(-number // 32)
    places, shown = range(0, number, step), names[::step]
    tilted = max(map(len, names)) > 3
    turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    axes.set_xticks(places, shown, fontsize=size, **turn)
    axes.set_yticks(places, shown, fontsize=size)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(number > MOST_NUMBERS)
    return figure


def _on(shade: tuple[float, ...]) -> str:
    """Black or white, whichever contrasts better with this colour: at a luminance of 0.18, both have 4.6 : 1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade[:3]]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18 else "#ffffff"


def _draw_cell(row: int, column: int, shade: tuple[float, ...] | None, same: bool) -> "Rectangle":
    from matplotlib.patches import Rectangle

    face = shade if shade is not None else BAND if same else "none"
    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=face, edgecolor=RULE, linewidth=0.7)


@in_house_style
def calibration_curve(*answers: Answers) -> "Figure":
    """Accuracy against confidence in 15 bins, and the number of images in each (Guo et al., 2017).

    On the diagonal, confidence equals accuracy. Bins of fewer than 10 images are hollow. The expected calibration error
    is given below.
    """
    whole = _require_answers(answers)
    found = calibration(whole)
    figure = blank(4.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.grid(axis="both")
    above.plot([0, 100], [0, 100], color=QUIET, linestyle=(0, (4, 2)), linewidth=1, label="confidence = accuracy")
    filled = [one for one in found.bins if one.images]
    for many, face, label in ((True, TEST, f"{FEWEST} images or more"), (False, "none", "fewer")):
        these = [one for one in filled if (one.images >= FEWEST) == many]
        above.plot([100 * one.confidence for one in these], [100 * one.accuracy for one in these], "o", markersize=6,
                   color=TEST, markerfacecolor=face, label=label)  # fmt: skip
    above.set(ylabel="accuracy, %", ylim=(-4, 104), xlim=(-2, 102))
    legend_above(above)
    below.bar([50 * (one.low + one.high) for one in filled], [one.images for one in filled], width=5.6, color=TEST)
    below.set(
        xlabel=f"confidence, %\nexpected calibration error {100 * found.error:.2f} points",
        ylabel="images\n(log scale)",
    )
    logarithmic(below.yaxis, 0.8, max(10.0, float(max(one.images for one in filled))), 4)
    below.grid(axis="y")
    tops = [(50 * (one.low + one.high), one.images, one) for one in filled]
    hover_boxes(below, [(x - 2.8, 0.8, x + 2.8, top) for x, top, _ in tops], [f"{n:,} images" for _, n, _ in tops])
    hover_points(above, [100 * one.confidence for one in filled], [100 * one.accuracy for one in filled], [
        f"confidence {100 * one.confidence:.1f} %, accuracy {100 * one.accuracy:.1f} %, {one.images:,} images"
        for one in filled
    ])  # fmt: skip
    return figure
