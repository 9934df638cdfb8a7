"""Axes that can be read: epochs up to the last one, logarithms with labels, accuracies close to 100 %."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

MOST_TICKS = 8
STRETCHED = 90.0
"""Percent: the axis of accuracies is stretched if one of them reaches this."""
ACCURACIES = (0.0, 50.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99)
"""Labels of the axis of accuracies, in percent; a zoom between two of them adds finer ones."""


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
