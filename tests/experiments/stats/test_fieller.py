import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.stats.fieller import relative_interval

MEANS = st.floats(0.1, 100)
ERRORS = st.floats(0.01, 30)


def interval(m_c: float, m_t: float, se_c: float, se_t: float, critical: float = 1.96) -> tuple[float, float]:
    significant = abs(m_t - m_c) > critical * math.hypot(se_c, se_t)
    return relative_interval(
        control_mean=m_c,
        treatment_mean=m_t,
        control_se=se_c,
        treatment_se=se_t,
        critical=critical,
        significant=significant,
    )


def z(r: float, m_c: float, m_t: float, se_c: float, se_t: float) -> float:
    """The statistic of the hypothesis that the relative effect is r."""
    return (m_t - (1 + r) * m_c) / math.hypot(se_t, (1 + r) * se_c)


@given(MEANS, MEANS, ERRORS, ERRORS)
def test_a_finite_side_is_where_the_hypothesis_is_just_rejected(
    m_c: float, m_t: float, se_c: float, se_t: float
) -> None:
    sides = [side for side in interval(m_c, m_t, se_c, se_t) if math.isfinite(side) and abs(side) < 1e6]
    for side in sides:
        assert abs(z(side, m_c, m_t, se_c, se_t)) == pytest.approx(1.96, rel=1e-5)


@given(MEANS, MEANS, ERRORS, ERRORS)
def test_it_is_bounded_exactly_when_the_control_differs_from_zero(
    m_c: float, m_t: float, se_c: float, se_t: float
) -> None:
    low, high = interval(m_c, m_t, se_c, se_t)
    if m_c > 1.97 * se_c:
        assert math.isfinite(low)
        assert math.isfinite(high)
    if m_c < 1.95 * se_c:
        assert math.isinf(low) or math.isinf(high)


def test_a_precise_control_gives_the_absolute_interval_over_its_mean() -> None:
    low, high = interval(10.0, 11.0, 0.0, 0.4)
    assert (low, high) == pytest.approx(((1 - 1.96 * 0.4) / 10, (1 + 1.96 * 0.4) / 10), rel=1e-12)


def test_an_unsettled_effect_on_a_vanishing_control_is_the_whole_line() -> None:
    assert interval(0.5, 1.0, 1.0, 1.0) == (-math.inf, math.inf)
    assert interval(0.5, 3.2, 1.0, 1.0) == (-math.inf, math.inf)  # the set is everything but a stretch below 0


@pytest.mark.parametrize(("m_c", "m_t"), [(0.5, 9.0), (-0.5, -9.0)])
def test_a_clear_rise_of_a_vanishing_control_has_a_lower_bound_only(m_c: float, m_t: float) -> None:
    low, high = interval(m_c, m_t, 1.0, 1.0)
    assert 0 < low < m_t / m_c - 1
    assert high == math.inf
    assert abs(z(low, m_c, m_t, 1.0, 1.0)) == pytest.approx(1.96)


def test_a_clear_fall_past_zero_of_a_vanishing_control_has_an_upper_bound_only() -> None:
    low, high = interval(0.5, -9.0, 1.0, 1.0)
    assert low == -math.inf
    assert -9.0 / 0.5 - 1 < high < 0


def test_a_control_just_at_its_critical_value_does_not_divide_by_zero() -> None:
    low, high = interval(2.0, 9.0, 1.0, 1.0, critical=2.0)
    assert 0 < low < 3.5
    assert high == math.inf


def test_a_treatment_of_zeros_is_minus_one_hundred_percent() -> None:
    assert interval(5.0, 0.0, 1.0, 0.0) == (-1.0, -1.0)
