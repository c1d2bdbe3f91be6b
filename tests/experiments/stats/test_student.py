import math

import pytest
from scipy import special, stats

from experiments.stats.student import critical_value, log_tail, two_sided_p


@pytest.mark.parametrize("df", [1.0, 2.5, 30.0, 1e5])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.96, 6.0])
def test_p_values_agree_with_scipy(t: float, df: float) -> None:
    p, log_p = two_sided_p(t, df)
    assert p == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-12)
    assert log_p == pytest.approx(math.log(p), abs=1e-12)


@pytest.mark.parametrize(("t", "df"), [(1e80, 3.0), (1e5, 50.0), (40.0, 1e3), (31.0, 1e6), (37.0, 1e9)])
def test_the_tail_agrees_with_scipy_where_both_reach(t: float, df: float) -> None:
    assert log_tail(t, df) == pytest.approx(math.log(2 * stats.t.sf(t, df)), rel=1e-9)


def test_the_tail_approaches_the_normal_beyond_underflow() -> None:
    _, log_p = two_sided_p(200.0, 1e13)
    assert log_p == pytest.approx(math.log(2) + special.log_ndtr(-200.0), rel=1e-6)


@pytest.mark.parametrize("t", [1e160, 1e300])
def test_an_absurd_statistic_still_has_a_finite_logarithm(t: float) -> None:
    assert math.isfinite(two_sided_p(t, 5.0)[1])


def test_critical_values_agree_with_scipy() -> None:
    assert critical_value(0.05, 7.3) == pytest.approx(stats.t.isf(0.025, 7.3), rel=1e-12)
