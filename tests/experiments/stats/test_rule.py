import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from experiments.stats.rule import Once, Rule, Share, Sidak

RULES: tuple[Rule, ...] = (
    Once(),
    Sidak(rule=Once(), comparisons=3),
    Share(rule=Once(), level=0.0125, alpha=0.05),
    Share(rule=Sidak(rule=Once(), comparisons=2), level=0.02, alpha=0.05),
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


@pytest.mark.parametrize("t", [0.3, 2.0, 3.5, 6.0])
def test_sidak_is_that_of_statsmodels(t: float) -> None:
    p = Once().p_value(t, 100.0)[0]
    theirs = multipletests([p, 0.9, 0.95], method="sidak")[1][0]
    assert Sidak(rule=Once(), comparisons=3).p_value(t, 100.0)[0] == pytest.approx(theirs, rel=1e-9)


def test_far_out_sidak_keeps_its_logarithm() -> None:
    log_p = Once().p_value(90.0, 1e7)[1]
    assert Sidak(rule=Once(), comparisons=4).p_value(90.0, 1e7) == (0.0, pytest.approx(log_p + math.log(4)))


def test_a_share_decides_at_its_level_to_the_last_bit() -> None:
    level = 0.05 * (3 / 7)
    rule = Share(rule=Once(), level=level, alpha=0.05)
    t = Once().critical(level, 50.0)
    for step in (t, math.nextafter(t, 0), math.nextafter(t, 9), t * (1 + 1e-12), t * (1 - 1e-12)):
        assert (rule.p_value(step, 50.0)[0] <= 0.05) == (Once().p_value(step, 50.0)[0] <= level)
