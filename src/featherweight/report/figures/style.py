"""The colours, fonts and axes of all figures: epochs up to the last, logarithms with labels, accuracies near 100 %."""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH = 4.2
"""Inches: 403 CSS pixels, so that on a phone, where 350 are left, text of 9 points is still 10 pixels high."""

COLOURS = {
    "ink": ("#1b1f24", "#e6e9ed"),
    "quiet": ("#57606a", "#a8b1bc"),
    "rule": ("#d5dae1", "#3d4651"),
    "band": ("#e7edf3", "#25313d"),
    "edge": ("#fefffe", "#12181e"),
    "test": ("#00558c", "#74bdf2"),
    "train": ("#6a6a6b", "#b3b3b4"),
    "target": ("#9a3b00", "#f29b6c"),
    "second": ("#006b4f", "#4fc9a4"),
    "third": ("#8a3a78", "#e29ad0"),
    "fourth": ("#7a5c00", "#d9b84a"),
}
"""By name: the colour on a light and on a dark background. Blue, rust, green, mauve and ochre are distinct in every
common kind of colour blindness. All have a contrast of 4.5 : 1 with their background, except the rules, the band and
the edge of dots, which carry no meaning alone."""
INK, QUIET, RULE, BAND, EDGE = (COLOURS[name][0] for name in ("ink", "quiet", "rule", "band", "edge"))
TEST, TRAIN, TARGET = (COLOURS[name][0] for name in ("test", "train", "target"))
SERIES = tuple(COLOURS[name][0] for name in ("test", "target", "second", "third", "fourth"))
"""One colour per experiment, if there are several."""

SETTINGS: Any = {
    "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "legend.fontsize": 9, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "grid.color": RULE, "grid.linewidth": 0.7, "axes.axisbelow": True, "legend.frameon": False,
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "featherweight",
}  # fmt: skip

MOST_TICKS = 8
STRETCHED = 90.0
"""Percent: the axis of accuracies is stretched if one of them reaches this."""
ACCURACIES = (0.0, 50.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99)
"""Labels of the axis of accuracies, in percent; a zoom between two of them adds finer ones."""

P = ParamSpec("P")


def in_house_style(draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """The drawing function with these settings applied while it runs; the caller's own are not changed."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return in_style


def blank(height: float, width: float = WIDTH) -> "Figure":
    """An empty figure of this height and width, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plot(height: float, *, grid: Literal["x", "y", "both"] = "y") -> tuple["Figure", "Axes"]:
    """A figure of this height, in inches, with one pair of axes and grid lines."""
    figure = blank(height)
    axes = figure.subplots()
    axes.grid(axis=grid)
    return figure, axes


def legend_above(axes: "Axes", columns: int = 2) -> None:
    """Add a legend over the whole width above the axes, where it covers nothing; dots that belong to bars come last."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: labels[place].startswith("each"))
    axes.figure.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        loc="outside upper left",
        ncols=columns,
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.2,
    )


def shorten(line: str, points: float, size: float) -> str:
    """A line of text shortened to a width, in points, at a font size; letters are measured, since widths differ.

    >>> shorten("iiiiiiiiii", 40, 8.5), shorten("WWWWWWWWWW", 40, 8.5)
    ('iiiiiiiiii', 'WWW…')
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size)

    def width(text: str) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            return float(text_to_path.get_text_width_height_descent(text, font, False)[0])

    if len(line) <= 4 or width(line) <= points:
        return line
    kept = line
    while len(kept) > 1 and width(kept + "…") > points:
        kept = kept[:-1]
    return kept + "…"


def short(name: str, longest: int = 16) -> str:
    """The name of a class, shortened if it would be too wide.

    >>> short("extraordinarily long", 8)
    'extraor…'
    """
    return name if len(name) <= longest else name[: longest - 1] + "…"


def share(part: float) -> str:
    """A probability as a percentage for people, never rounded up to certainty.

    >>> share(0.5), share(0.99996), share(1.0)
    ('50.0 %', '>99.9 %', '100 %')
    """
    if 0.9995 <= part < 1:
        return ">99.9 %"
    return "100 %" if part == 1 else f"{100 * part:.1f} %"


# ------------------------------------------------------------------------------------------- scales


def epoch_ticks(last: int, most: int = MOST_TICKS) -> list[int]:
    """The epochs to label: the first, the last, and round ones between them.

    >>> epoch_ticks(1), epoch_ticks(15), epoch_ticks(120)
    ([1], [1, 3, 6, 9, 12, 15], [1, 20, 40, 60, 80, 100, 120])
    """
    steps = (factor * 10**power for power in range(7) for factor in (1, 2, 3, 5))
    step = next(one for one in steps if last / one <= most - 1)
    between = range(step, last, step) if step > 1 else range(2, last)
    return sorted({1, last} | {one for one in between if last - one > step / 2 and one - 1 > step / 3})


def epochs(axes: "Axes", last: int) -> None:
    """Label the epochs along the bottom, the last one always among them."""
    axes.set_xticks(epoch_ticks(last))


def log_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Round values between two positive ones, from three to about `most` of them, for a logarithmic axis.

    >>> log_ticks(0.02, 0.5), log_ticks(0.031, 0.042)
    ([0.02, 0.05, 0.1, 0.2, 0.5], [0.032, 0.034, 0.036, 0.038, 0.04, 0.042])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,), (1, 1.5, 2, 3, 5, 7)):
        found = [float(f"{part * 10.0**power:.6g}") for power in decades for part in parts]
        inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if 3 <= len(inside) <= most:
            return inside
        if parts == (1,) and len(inside) > most:
            return inside[:: -(-len(inside) // most)]
    from matplotlib.ticker import MaxNLocator

    spaced = MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(f"{value:.6g}") for value in spaced if low * 0.999 <= value <= high * 1.001]


def logarithmic(axis: "Axis", low: float, high: float, most: int = MOST_TICKS) -> None:
    """Make the axis logarithmic, with labels that are written out, and with room at both ends.

    `low` and `high` are the least and the largest value, both above 0.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    room = max(1.08, (high / low) ** 0.06)
    name = axis.axis_name  # type: ignore[attr-defined]
    set_scale, set_limits = getattr(axis.axes, f"set_{name}scale"), getattr(axis.axes, f"set_{name}lim")
    set_scale("log")
    set_limits(low / room, high * room)
    axis.set_major_locator(FixedLocator(log_ticks(low / room, high * room, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"))


def accuracies(axes: "Axes", values: Sequence[float]) -> None:
    """Scale the vertical axis such that every accuracy, in percent, is on it and those near 100 are far apart.

    The scale is logarithmic in the error, 100 minus the accuracy: a run that halves its errors climbs by the same
    distance anywhere. If the accuracies are all below `STRETCHED`, it is linear.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter

    low, high = min(values), max(values)
    if high < STRETCHED:
        axes.set_ylim(max(0.0, low - 0.08 * (100 - low)), min(100.0, high + 0.12 * (100 - low)))
        return
    least = min([100 - value for value in values if value < 100], default=1.0)
    floor = least / 2  # what is without an error is drawn at half the smallest error

    def up(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-np.log10(np.maximum(100 - np.asarray(value, dtype=float), floor)))

    def down(place: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(100 - np.power(10.0, -np.asarray(place, dtype=float)))

    worst, best = max(100 - low, floor), max(100 - high, floor)
    room = max(1.12, (worst / best) ** 0.05)
    bottom, top = max(0.0, 100 - worst * room), 100 - best / room if best > floor else 100 - floor
    axes.set_yscale("function", functions=(up, down))
    axes.set_ylim(bottom, top)
    ticks = [value for value in ACCURACIES if bottom <= value <= top]
    if len(ticks) < 3:
        ticks = [100 - error for error in log_ticks(100 - top, 100 - bottom)]
    named = [100 - floor] if high == 100 else []
    ticks = [value for value in ticks if not named or 100 - value > floor * 1.01]
    axes.yaxis.set_major_locator(FixedLocator([*ticks, *named]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "100" if named and value >= 100 - floor * 1.001 else f"{value:.6g}")
    )
