"""The networks of a search that no other beats in accuracy, flash, RAM and time together, in figures and in lines."""

from dataclasses import asdict
from typing import Any

from featherweight.errors import UsageError
from featherweight.experiments.statistics import accuracy_interval, pareto_front
from featherweight.search.fit.cost import CLOCK_MHZ, kilobytes, milliseconds
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import SHARES, Trial

LENGTHS = ("1/9", "1/3", "all")


def front_trials(search: FitState) -> list[Trial]:
    """The front among the candidates within the limits, the smallest flash first; those of a ninth of the training
    alone only where no other has more."""
    there = search.population.eligible()
    there = [one for one in there if one.rung > 0] or there
    best = pareto_front(there, lambda one: (one.accuracy(), -one.price.flash, -one.price.ram, -one.price.cycles))
    return sorted(best, key=lambda one: (one.price.flash, one.price.ram))


def front_points(search: FitState) -> list[dict[str, Any]]:
    """The front as plain values; `point` is what `--point` takes."""
    found = []
    for number, one in enumerate(front_trials(search), 1):
        correct, judged = one.counts(one.rung)
        found.append({
            "point": number, "accuracy": one.accuracy(), "interval": list(accuracy_interval(correct, judged)),
            "images": judged, "trained": SHARES[one.rung], **asdict(one.price),
            "milliseconds": milliseconds(one.price.cycles), "bits": one.genes.bits,
        })  # fmt: skip
    return found


def point_trial(search: FitState, point: int) -> Trial:
    """The trial at this point of the front; UsageError where there is none."""
    there = front_trials(search)
    if not 1 <= point <= len(there):
        known = f"has the points 1 to {len(there)}" if there else "is still empty: search first"
        raise UsageError(f"The front {known}; given --point {point}. `fit --front` shows it.")
    return there[point - 1]


def front_lines(search: FitState) -> list[str]:
    """The front as a table for people."""
    lines = [f"point  held out (95 % interval)   flash      RAM        ms at {CLOCK_MHZ} MHz  bits  trained"]
    for one in front_points(search):
        low, high = one["interval"]
        accuracy = f"{one['accuracy']:6.2f} % ({low:.2f} to {high:.2f})"
        lines.append(
            f"{one['point']:5}  {accuracy:26}  {kilobytes(one['flash']):>9}  {kilobytes(one['ram']):>9}"
            f"  {one['milliseconds']:12.1f}  {one['bits']:4}  {LENGTHS[SHARES.index(one['trained'])]:>7}"
        )
    return lines
