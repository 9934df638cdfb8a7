"""A figure of what a search found: accuracy against parameters, MACs and seconds, each with its Pareto front."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.experiments.statistics import best_by_cost
from featherweight.io import write_bytes
from featherweight.report.figures.style import QUIET, TARGET, TEST, blank, in_house_style, legend_above
from featherweight.report.figures.svg import png, svg
from featherweight.search.outcome import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (("parameters", "parameters"), ("macs", "multiply-adds of one image"), ("seconds", "seconds of training"))


@in_house_style
def pareto(found: Sequence[Entry], target: float) -> "Figure":
    """Three panels with a dot per finished trial; the line is the Pareto front. `target` in percent."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    figure = blank(7.2)
    panels = figure.subplots(3, 1, sharey=True)
    for number, (axes, (what, name)) in enumerate(zip(panels, PANELS, strict=True)):
        costs = [getattr(one, what) for one in found]
        best = best_by_cost([(cost, one.accuracy) for cost, one in zip(costs, found, strict=True)])
        axes.grid(axis="y")
        axes.plot(costs, [one.accuracy for one in found], "o", color=QUIET, markersize=3.5, alpha=0.6,
                  label="a trial" if number == 0 else None)  # fmt: skip
        axes.plot(*zip(*best, strict=True), "-o", color=TEST, markersize=4.5, linewidth=1.3, drawstyle="steps-post",
                  label="Pareto front" if number == 0 else None)  # fmt: skip
        axes.set(xlabel=name, ylabel="held-out accuracy, %")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.ticklabel_format(axis="y", useOffset=False)
    low, high = min(one.accuracy for one in found), max(one.accuracy for one in found)
    if target <= high + 2 * (high - low):  # a target further away would squeeze the trials together
        for number, axes in enumerate(panels):
            axes.axhline(target, color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3,
                         label=f"target {target:.2f} %" if number == 0 else None)  # fmt: skip
    legend_above(panels[0])
    return figure


def draw(found: Sequence[Entry], target: float, path: Path) -> None:
    """Write the picture in the format of the file's suffix, .svg or .png."""
    figure = pareto(found, target)
    write_bytes(path, png(figure) if path.suffix.lower() == ".png" else svg(figure).encode())
