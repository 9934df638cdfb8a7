"""How certain figures are: confidence intervals of an accuracy and of a mean over seeds, and the paired t-test; and the
Pareto front. Needs no torch.

The interval of an accuracy covers the uncertainty from the choice of test images. The other two assume that the figures
of the seeds are normally distributed (Student, 1908) and describe the spread over seeds only: all seeds are scored on
the same test images, and more seeds do not reduce the error from that choice of images.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TypeVar

from featherweight.errors import UsageError

LEVEL = 0.95
"""Confidence level of every interval."""

One = TypeVar("One")


_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def accuracy_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy, low and high in percent: Wilson's (1927), which also holds near 0 and 100.

    >>> low, high = accuracy_interval(50, 50)
    >>> f"{low:.2f} to {high:.2f}"
    '92.87 to 100.00'
    """
    share = correct / total
    centre = share + _Z**2 / (2 * total)
    half = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    low, high = ((centre + side * half) / (1 + _Z**2 / total) for side in (-1, 1))
    return (100 * low if correct else 0.0), (100 * high if correct < total else 100.0)


def images_to_decide(accuracy: float, target: float) -> int | None:
    """How many test images it takes until the interval of such an accuracy leaves the target out, both in percent.

    Wilson's interval leaves out what the score test rejects, so that is z² p (1 - p) / (accuracy - p)² for the target
    p. None where accuracy and target are the same, which no number of images tells apart.

    >>> images_to_decide(100, 99.4), images_to_decide(99.6, 99.4)
    (637, 5728)
    """
    apart, share = (accuracy - target) / 100, target / 100
    return math.floor(_Z**2 * share * (1 - share) / apart**2) + 1 if apart else None


def half_width(values: Sequence[float]) -> float:
    """Half the width of the 95 % interval of the mean of two or more values: t(n - 1) s / √n."""
    from scipy import stats

    if len(values) < 2:
        raise UsageError(f"An interval needs the figures of two or more seeds; given {len(values)}.")
    quantile = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return quantile * stdev(values) / math.sqrt(len(values))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The lower and upper end of the 95 % interval of the mean; UsageError if there are fewer than two values.

    >>> low, high = mean_interval([99.4, 99.5, 99.6])
    >>> f"{low:.3f} to {high:.3f}"
    '99.252 to 99.748'
    """
    mean, half = fmean(values) if values else 0.0, half_width(values)
    return mean - half, mean + half


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The mean difference of pairs, its confidence interval and its p-value."""

    difference: float
    low: float
    """Lower end of the 95 % interval of the mean difference."""
    high: float
    p: float
    """Two-sided p-value of the paired t-test."""
    pairs: int

    @property
    def decided(self) -> bool:
        """Whether 0 is outside the interval, that is, whether p is below 0.05."""
        return self.low > 0 or self.high < 0


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
    """The paired t-test of ours against theirs; UsageError unless there are two or more pairs.

    >>> paired([3.0, 4.0, 5.0], [1.0, 3.0, 2.0]).difference
    2.0
    """
    from scipy import stats

    if len(ours) != len(theirs):
        raise UsageError(f"Pairs need the same number of figures on both sides; given {len(ours)} and {len(theirs)}.")
    # Accuracies are hundredths of a percent: rounding removes float errors, so that equal differences compare equal.
    differences = [round(a - b, 9) for a, b in zip(ours, theirs, strict=True)]
    mean, half = fmean(differences) if differences else 0.0, half_width(differences)
    # If every pair differs by the same amount, the test would divide by 0.
    p = float(stats.ttest_rel(ours, theirs).pvalue) if half else float(mean == 0)
    return Paired(difference=mean, low=mean - half, high=mean + half, p=p, pairs=len(differences))


def pareto_front(found: Sequence[One], merits: Callable[[One], Sequence[float]]) -> list[One]:
    """Those that no other beats, in their order: none is as good in every merit (higher is better) and better in one.

    >>> networks = [(3000, 99.5), (1000, 99.0), (2000, 98.0), (4000, 99.5)]
    >>> pareto_front(networks, lambda one: (-one[0], one[1]))
    [(3000, 99.5), (1000, 99.0)]
    """

    def beats(one: Sequence[float], other: Sequence[float]) -> bool:
        pairs = list(zip(one, other, strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    of_each = [merits(one) for one in found]
    kept = [not any(beats(other, own) for other in of_each) for own in of_each]
    return [one for one, stays in zip(found, kept, strict=True) if stays]


def best_by_cost(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The Pareto front of (cost, accuracy), each pair once, the cheapest first.

    >>> best_by_cost([(3, 99.5), (1, 99.0), (2, 98.0), (3, 99.4), (4, 99.5)])
    [(1, 99.0), (3, 99.5)]
    """
    return sorted(set(pareto_front(points, lambda point: (-point[0], point[1]))))
