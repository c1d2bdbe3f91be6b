"""User-level intervals are those of scipy, and cover what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from recommenders.errors import InvalidData
from recommenders.offline.intervals import paired, ratio_influence, t_interval


def test_a_mean_has_the_interval_and_p_value_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(size=50)
    ours, theirs = t_interval(values), stats.ttest_1samp(values, 0)
    bounds = theirs.confidence_interval(0.95)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((bounds.low, bounds.high), abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_a_paired_difference_is_that_of_scipy_over_the_users_that_both_have() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.random(40), rng.random(40)
    one[:5], other[3:8] = np.nan, np.nan
    ours, theirs = paired(one, other), stats.ttest_rel(one[8:], other[8:])
    bounds = theirs.confidence_interval(0.95)
    assert ours.n == 32
    assert (ours.ci_low, ours.ci_high) == pytest.approx((bounds.low, bounds.high), abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_p_is_below_alpha_exactly_where_nought_is_outside_the_interval() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        interval = t_interval(rng.normal(0.3, 1, size=rng.integers(3, 30)))
        assert (interval.p_value < 0.05) == (not interval.ci_low <= 0 <= interval.ci_high)


@pytest.mark.parametrize("values", [[], [0.4], [0.1] * 7, [math.nan, 0.3], [0.0, 0.0]])
def test_without_two_users_or_without_spread_there_is_no_interval(values: list[float]) -> None:
    interval = t_interval(np.array(values, dtype=np.float64))
    assert math.isnan(interval.ci_low)
    assert math.isnan(interval.ci_high)
    assert math.isnan(interval.p_value)


def test_the_spread_of_a_ratio_is_that_of_the_delta_method_on_the_users_moments() -> None:
    rng = np.random.default_rng(4)
    below = rng.integers(0, 6, size=300).astype(np.float64)
    above = below * rng.random(300)
    values = ratio_influence(above, below)
    ratio = above.sum() / below.sum()
    covariance = np.cov(above, below)
    variance = (covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]) / below.mean() ** 2
    assert values.mean() == pytest.approx(ratio, rel=1e-12)
    assert values.var(ddof=1) == pytest.approx(variance, rel=1e-12)


def test_a_ratio_of_nothing_is_no_number() -> None:
    assert np.isnan(ratio_influence(np.zeros(3), np.zeros(3))).all()


def test_intervals_of_a_ratio_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        rate = rng.beta(2, 8, size=300)
        below = rng.integers(1, 20, size=300)
        interval = t_interval(ratio_influence(rng.binomial(below, rate).astype(float), below.astype(float)))
        covered += interval.ci_low <= 0.2 <= interval.ci_high
    assert 0.93 <= covered / 1_000 <= 0.97


def test_a_confidence_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidData, match="alpha"):
        t_interval(np.arange(3.0), alpha=1.0)
