"""How certain means over seeds are: the confidence interval of a mean, and the paired t-test. Needs no torch.

Both assume that the figures of the seeds are normally distributed (Student, 1908). They describe the spread over seeds
only: all seeds are scored on the same test images, and more seeds do not reduce the error from that choice of images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from featherweight.errors import UsageError

LEVEL = 0.95
"""Confidence level of every interval."""


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
