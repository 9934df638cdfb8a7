"""Intervals and paired tests, against tables, arithmetic written out, scipy, and a simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from featherweight.errors import UsageError
from featherweight.experiments.statistics import half_width, mean_interval, paired


def test_an_interval_by_hand() -> None:
    # Mean 99.5, deviation 0.1; Student's table has 4.303 at two degrees of freedom.
    low, high = mean_interval([99.4, 99.5, 99.6])
    half = 4.303 * 0.1 / math.sqrt(3)
    assert (low, high) == (pytest.approx(99.5 - half, abs=1e-4), pytest.approx(99.5 + half, abs=1e-4))


def test_an_interval_against_scipy() -> None:
    values = [99.41, 99.47, 99.52, 99.39, 99.5, 99.44, 99.61, 99.4, 99.55, 99.46]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_equal_values_have_no_interval_to_speak_of() -> None:
    assert mean_interval([99.5, 99.5, 99.5]) == (99.5, 99.5)


def test_one_value_has_none() -> None:
    with pytest.raises(UsageError, match="two or more seeds; given 1"):
        mean_interval([99.5])
    with pytest.raises(UsageError, match="given 0"):
        mean_interval([])


def test_a_paired_test_by_hand() -> None:
    # Differences 2, 1, 3: mean 2, deviation 1, standard error 1 / √3, t = 2 √3 at two degrees of freedom.
    it = paired([3.0, 4.0, 5.0], [1.0, 3.0, 2.0])
    assert (it.difference, it.pairs) == (2.0, 3)
    assert it.high - it.low == pytest.approx(2 * 4.3027 / math.sqrt(3), abs=1e-3)
    t = 2 * math.sqrt(3)
    assert it.p == pytest.approx(1 - t / math.sqrt(t * t + 2))  # the distribution at two degrees has a closed form
    assert not it.decided  # 2 - 2.48 is below 0


def test_a_paired_test_decides_as_its_p_does() -> None:
    draws = np.random.default_rng(3)
    decided = 0
    for shift in (0.0, 0.02, 0.1, -0.1) * 5:
        ours, theirs = draws.normal(99.5 + shift, 0.04, 10).tolist(), draws.normal(99.5, 0.04, 10).tolist()
        it, expected = paired(ours, theirs), stats.ttest_rel(ours, theirs)
        interval = expected.confidence_interval(0.95)
        assert [it.low, it.high, it.p] == pytest.approx([interval.low, interval.high, expected.pvalue], abs=1e-7)
        assert it.decided == (it.p < 0.05)
        decided += it.decided
    assert 5 <= decided < 20


def test_differences_that_are_all_alike() -> None:
    same = paired([99.4, 99.5], [99.4, 99.5])
    assert (same.difference, same.low, same.high, same.p, same.decided) == (0.0, 0.0, 0.0, 1.0, False)
    higher = paired([99.5, 99.6], [99.4, 99.5])  # in floats, these differences are not quite equal
    assert (higher.low, higher.high, higher.p, higher.decided) == (pytest.approx(0.1), pytest.approx(0.1), 0.0, True)


def test_pairs_need_partners() -> None:
    with pytest.raises(UsageError, match="given 2 and 3"):
        paired([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="given 1"):
        paired([1.0], [2.0])


@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_cover_the_truth_as_often_as_they_say(seeds: int) -> None:
    rounds, draws = 2000, np.random.default_rng(seeds)
    sample = draws.normal(99.5, 0.05, (rounds, seeds))
    # scipy's quantile is asked for once for each call; the first tells it, and the rest is this test's arithmetic.
    quantile = half_width(sample[0].tolist()) * math.sqrt(seeds) / sample[0].std(ddof=1)
    half = quantile * sample.std(axis=1, ddof=1) / math.sqrt(seeds)
    covered = np.mean(abs(sample.mean(axis=1) - 99.5) <= half)
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / rounds)
