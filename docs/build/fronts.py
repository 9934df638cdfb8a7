"""Accuracy against cost: every experiment that has run, and the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featherweight.experiments.statistics import best_by_cost
from featherweight.report.figures.style import INK, QUIET, RULE, TARGET, TEST, blank, in_house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS = (98.95, 99.75)
"""Percents at which the axis begins and ends unless others are given; a note counts the experiments below it."""
NAME_POINTS = 8.5
"""The font size of names, in points."""
PLACES = ((True, True), (True, False), (False, True), (False, False))
"""Positions of a name, the best first: right or left of its dot, above or below."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One experiment or published run: its test accuracy in percent and its costs; None if a cost is not known."""

    name: str
    accuracy: float
    low: float | None = None
    """The lower end of the 95 % interval of the mean."""
    high: float | None = None
    parameters: float | None = None
    flash: float | None = None
    """Bytes, as planned for the program in 8-bit C."""
    macs: float | None = None
    seconds: float | None = None


@in_house_style
def pareto_fronts(
    points: Sequence[Point], anchors: Sequence[Point], named: Sequence[str], axis: tuple[float, float] = AXIS
) -> "Figure":
    """Four panels: accuracy against parameters, flash, multiply-adds and seconds of training, on logarithmic axes.

    Each experiment is a dot with the interval of its mean, and the Pareto front a stepped line. Experiments in `named`
    and on the front are labelled. Rings are published results, of one run each. `axis` is the range of accuracies
    shown, in percent.
    """
    figure = blank(7.2, 9.2)
    panels = figure.subplots(2, 2, sharey=True).flatten()
    costs = (("parameters", "parameters"), ("flash", "bytes of flash in 8-bit C"), ("macs", "multiply-adds an image"),
             ("seconds", "seconds of training"))  # fmt: skip
    names = []
    for axes, (cost, words) in zip(panels, costs, strict=True):
        names.append(_panel(axes, points, cost, named, axis[0]))
        rings = [(getattr(ring, cost), ring.accuracy) for ring in anchors if getattr(ring, cost) is not None]
        if rings:
            x, y = zip(*rings, strict=True)
            axes.plot(x, y, "o", markerfacecolor="none", markersize=7, color=TARGET, label="published, one run")
        axes.set(xlabel=words)
        axes.grid(axis="y")
        _logarithmic(axes)
    below = [point.name for point in points if point.accuracy < axis[0]]
    panels[0].set_ylim(*axis)
    for axes in panels[::2]:
        axes.set(ylabel="last epoch, mean over seeds, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    if below:
        figure.text(0.99, 0.975, f"below the axis: {', '.join(below)}", ha="right", fontsize=8.5, color=QUIET)
    figure.draw_without_rendering()  # so that the positions of the dots are known
    for axes, of_it in zip(panels, names, strict=True):
        _name(axes, of_it)
    return figure


def _logarithmic(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def short_number(value: float) -> str:
    """A count as shown on the axis.

    >>> short_number(200_000), short_number(5e6), short_number(50)
    ('200 k', '5 M', '50')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _panel(
    axes: "Axes", points: Sequence[Point], cost: str, named: Sequence[str], lowest: float
) -> list[tuple[str, float, float]]:
    """Draw dots, intervals and the Pareto front; returns name, cost and accuracy of the dots to be labelled."""
    names: list[tuple[str, float, float]] = []
    known = [(getattr(point, cost), point) for point in points if getattr(point, cost) is not None]
    steps = best_by_cost([(x, point.accuracy) for x, point in known])
    if steps:
        end = max(x for x, _ in known)
        x, y = zip(*steps, (end, steps[-1][1]), strict=True)
        axes.plot(x, y, drawstyle="steps-post", color=TEST, linewidth=1.2, label="Pareto front")
    for place, (cost_of_it, point) in enumerate(known):
        on_front = (cost_of_it, point.accuracy) in steps
        if point.low is not None and point.high is not None:
            axes.plot([cost_of_it] * 2, [point.low, point.high], color=QUIET if on_front else RULE,
                      linewidth=1.2)  # fmt: skip
        axes.plot(cost_of_it, point.accuracy, "o", markersize=5 if on_front else 3.5, color=TEST if on_front else QUIET,
                  label="_" * (place > 0) + "experiment, 95 % interval")  # fmt: skip
        if (on_front or point.name in named) and point.accuracy >= lowest:
            names.append((point.name, cost_of_it, point.accuracy))
    return names


def _name(axes: "Axes", names: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside their dots, each at the first of four positions where it covers no other.

    The figure must have been laid out.
    """
    assert axes.figure is not None
    points = 72 / axes.figure.dpi
    first, last = axes.bbox.x0 * points, axes.bbox.x1 * points
    taken: list[tuple[float, float, float, float]] = []
    for name, cost, accuracy in sorted(names, key=lambda one: one[2], reverse=True):
        x, y = axes.transData.transform((cost, accuracy)) * points
        width, height = NAME_POINTS * 0.56 * len(name), NAME_POINTS * 1.3
        boxes = []
        for right, above in PLACES:
            left, bottom = x + (4 if right else -4 - width), y + (3 if above else -3 - height)
            boxes.append((left, bottom, left + width, bottom + height))
        inside = [box for box in boxes if first <= box[0] and box[2] <= last]
        free = [box for box in inside if not any(_cover(box, other) for other in taken)]
        box = (free or inside or boxes)[0]
        taken.append(box)
        axes.annotate(name, (cost, accuracy), xytext=(box[0] - x, box[1] - y), textcoords="offset points",
                      va="bottom", fontsize=NAME_POINTS, color=INK)  # fmt: skip


def _cover(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, bottom, right, top) overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
