import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from experiments.stats.rule import Once, Rule, Share, Sidak
from experiments.stats.sequence import Sequence
from experiments.stats.spending import Spending, equal_looks

RULES: tuple[Rule, ...] = (
    Once(),
    Sidak(rule=Once(), comparisons=3),
    Share(rule=Once(), level=0.0125, alpha=0.05),
    Share(rule=Sidak(rule=Once(), comparisons=2), level=0.02, alpha=0.05),
    Sidak(rule=Spending(equal_looks(28)[:9]), comparisons=3),
    Share(rule=Spending(equal_looks(5)), level=0.0125, alpha=0.05),
    Share(rule=Sidak(rule=Sequence(n=900, planned_n=5_000), comparisons=2), level=0.02, alpha=0.05),
)


@given(st.sampled_from(RULES), st.floats(0, 50), st.floats(0.0005, 0.6), st.floats(3, 1e6))
@settings(max_examples=300, deadline=None)
def test_p_is_at_most_alpha_exactly_where_t_reaches_the_critical_value(
    rule: Rule, t: float, alpha: float, df: float
) -> None:
    critical, (p, log_p) = rule.critical(alpha, df), rule.p_value(t, df)
    assert 0 <= p <= 1
    if p > 1e-300:
        assert log_p == pytest.approx(math.log(p), abs=1e-6)
    if abs(t - critical) > 1e-9 * max(critical, 1.0):
        assert (p <= alpha) == (t >= critical)


@given(st.sampled_from(RULES), st.floats(0, 1e3), st.floats(1e-3, 10), st.floats(2, 1e9))
@settings(deadline=None)
def test_p_falls_with_t_alike_on_both_sides_and_its_logarithm_stays_finite(
    rule: Rule, t: float, further: float, df: float
) -> None:
    log_p, beyond = rule.p_value(t, df)[1], rule.p_value(t + further, df)[1]
    assert math.isfinite(beyond)
    assert beyond < log_p or beyond == log_p == 0
    assert rule.p_value(-t, df)[1] == log_p


@given(st.sampled_from(RULES), st.floats(0, 50), st.floats(2, 1e9))
@settings(deadline=None)
def test_no_rule_makes_a_result_more_surprising_than_one_look_at_it(rule: Rule, t: float, df: float) -> None:
    # a confidence sequence takes every t for a normal one
    at = 1e9 if "Sequence" in repr(rule) else df
    assert rule.p_value(t, at)[1] >= Once().p_value(t, at)[1] - 1e-7


@given(st.sampled_from(RULES), st.floats(1e-6, 0.5), st.floats(1.01, 2.0), st.floats(2, 1e9))
@settings(deadline=None)
def test_a_stricter_error_rate_asks_for_a_larger_t(rule: Rule, alpha: float, times: float, df: float) -> None:
    assert rule.critical(alpha, df) > rule.critical(alpha * times, df)


@pytest.mark.parametrize("df", [1.0, 2.5, 30.0, 1e4, 1e9])
def test_one_look_is_students_t_of_scipy(df: float) -> None:
    for t in (0.0, 0.4, 1.96, 5.0, 20.0):
        p, log_p = Once().p_value(t, df)
        assert p == pytest.approx(2 * stats.t.sf(t, df), rel=1e-12)
        assert math.exp(log_p) == pytest.approx(p, rel=1e-11)
    for alpha in (0.001, 0.05, 0.5):
        assert Once().critical(alpha, df) == pytest.approx(stats.t.isf(alpha / 2, df), rel=1e-10)


@pytest.mark.parametrize("p", [1e-12, 0.004, 0.3, 1.0])
def test_a_share_takes_the_p_value_for_the_whole_familys(p: float) -> None:
    t = stats.norm.isf(p / 2)
    scaled, log_p = Share(rule=Once(), level=0.01, alpha=0.05).p_value(t, math.inf)
    assert scaled == pytest.approx(min(5 * p, 1.0), rel=1e-9)
    assert log_p == pytest.approx(math.log(min(5 * p, 1.0)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("t", [0.3, 2.0, 3.5, 6.0])
def test_sidak_is_that_of_statsmodels(t: float) -> None:
    p = Once().p_value(t, 100.0)[0]
    theirs = multipletests([p, 0.9, 0.95], method="sidak")[1][0]
    assert Sidak(rule=Once(), comparisons=3).p_value(t, 100.0)[0] == pytest.approx(theirs, rel=1e-9)


def test_far_out_sidak_keeps_its_logarithm() -> None:
    log_p = Once().p_value(90.0, 1e7)[1]
    p, adjusted = Sidak(rule=Once(), comparisons=4).p_value(90.0, 1e7)
    assert p == 0
    assert adjusted == pytest.approx(log_p + math.log(4))


def test_a_share_decides_at_its_level_to_the_last_bit() -> None:
    level = 0.05 * (3 / 7)
    rule = Share(rule=Once(), level=level, alpha=0.05)
    t = Once().critical(level, 50.0)
    for step in (t, math.nextafter(t, 0), math.nextafter(t, 9), t * (1 + 1e-12), t * (1 - 1e-12)):
        assert (rule.p_value(step, 50.0)[0] <= 0.05) == (Once().p_value(step, 50.0)[0] <= level)
