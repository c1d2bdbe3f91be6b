import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.errors import InvalidInput
from experiments.stats.comparison import ONCE
from experiments.stats.spending import (
    ALPHAS,
    Spending,
    bounds,
    constant_bound,
    crossing_probability,
    design_inflation,
    spent,
)

EQUAL = tuple(look / 28 for look in range(1, 29))
MANY = 1e9  # degrees of freedom


def equal_looks(count: int) -> list[float]:
    return [look / count for look in range(1, count + 1)]


def test_the_bounds_of_five_equal_looks_are_the_published_ones() -> None:
    assert bounds(equal_looks(5), 0.05) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=0.005)


@pytest.mark.parametrize(
    ("looks", "chance"),
    [(1, 0.050), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320)],
)
def test_false_alarms_without_correction_are_those_of_armitage_mcpherson_and_rowe(looks: int, chance: float) -> None:
    found = sum(crossing_probability(equal_looks(looks), [1.959964] * looks))
    assert found == pytest.approx(chance, abs=0.0006)


@pytest.mark.parametrize(("looks", "bound"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555)])
def test_constant_bounds_are_those_of_pocock(looks: int, bound: float) -> None:
    assert constant_bound(looks, 0.05) == pytest.approx(bound, abs=0.0006)


@pytest.mark.parametrize("fractions", [equal_looks(5), [0.1, 0.15, 0.6, 1.0], [0.3, 0.31, 0.32, 0.9]])
def test_the_bounds_spend_what_they_may_in_a_simulation(fractions: list[float]) -> None:
    rng = np.random.default_rng(3)
    steps = np.sqrt(np.diff([0.0, *fractions]))
    z = (rng.normal(0, 1, (400_000, len(fractions))) * steps).cumsum(axis=1) / np.sqrt(fractions)
    crossed = np.abs(z) >= np.array(bounds(fractions, 0.05))
    sofar = [float(crossed[:, : look + 1].any(axis=1).mean()) for look in range(len(fractions))]
    assert sofar == pytest.approx([spent(0.05, fraction) for fraction in fractions], abs=0.0014)


def test_power_under_a_drift_agrees_with_a_simulation() -> None:
    rng = np.random.default_rng(4)
    fractions, drift = equal_looks(4), 2.5
    limits = bounds(fractions, 0.05)
    steps = rng.normal(drift / 4, 0.5, (400_000, 4)).cumsum(axis=1) / np.sqrt(fractions)
    crossed = np.abs(steps) >= np.array(limits)
    first = [float((crossed[:, k] & ~crossed[:, :k].any(axis=1)).mean()) for k in range(4)]
    assert crossing_probability(fractions, limits, drift=drift) == pytest.approx(first, abs=0.003)


@given(
    fractions=st.lists(st.integers(1, 100), min_size=1, max_size=8, unique=True),
    t=st.floats(0, 12),
    alpha=st.sampled_from([0.001, 0.01, 0.02, 0.05, 0.1, 0.33]),
    df=st.sampled_from([5.0, 40.0, MANY]),
)
@settings(max_examples=40, deadline=None)
def test_p_is_at_most_alpha_exactly_where_t_reaches_the_critical_value(
    fractions: list[int], t: float, alpha: float, df: float
) -> None:
    rule = Spending(tuple(one / 100 for one in sorted(fractions)))
    critical, (p, log_p) = rule.critical(alpha, df), rule.p_value(t, df)
    assert 0 <= p <= 1
    assert p == pytest.approx(math.exp(log_p))
    if abs(t - critical) > 1e-6 * max(critical, 1.0):
        assert (p <= alpha) == (t >= critical)


def test_the_p_value_falls_as_t_grows_and_its_logarithm_stays_finite() -> None:
    rule = Spending(EQUAL[:12])
    logs = [rule.p_value(t, MANY)[1] for t in np.linspace(0, 60, 400)]
    assert all(later <= earlier for earlier, later in pairwise(logs))
    assert math.isfinite(rule.p_value(1e3, MANY)[1])
    assert logs[0] == 0


def test_between_the_tabulated_rates_the_bounds_are_those_of_the_recursion() -> None:
    for alpha in (0.003, 0.017, 0.035, 0.07, 0.15, 0.3):
        assert alpha not in ALPHAS
        exact = bounds(EQUAL[:20], alpha)[-1]
        assert Spending(EQUAL[:20]).critical(alpha, MANY) == pytest.approx(exact, abs=2e-3)


def test_a_tabulated_rate_is_exact() -> None:
    assert Spending(EQUAL[:20]).critical(0.05, MANY) == pytest.approx(bounds(EQUAL[:20], 0.05)[-1], abs=1e-7)


def test_one_look_at_the_end_is_students_test() -> None:
    rule = Spending((1.0,))
    for t, df in ((0.5, 9.0), (2.2, 9.0), (4.0, 200.0)):
        assert rule.p_value(t, df)[0] == pytest.approx(ONCE.p_value(t, df)[0], rel=2e-2)
    assert rule.critical(0.05, 9.0) == pytest.approx(stats.t.ppf(0.975, 9), rel=1e-9)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6, unique=True), st.floats(0, 30))
@settings(max_examples=30, deadline=None)
def test_looking_more_often_never_makes_a_result_more_surprising(places: list[int], t: float) -> None:
    rule = Spending(tuple(place / 50 for place in sorted(places)))
    assert rule.p_value(t, MANY)[0] >= ONCE.p_value(t, MANY)[0] * (1 - 1e-9)
    assert rule.critical(0.05, MANY) >= ONCE.critical(0.05, MANY) - 1e-9


def test_so_early_that_nothing_can_be_settled_the_critical_value_is_infinite() -> None:
    rule = Spending((0.001,))
    assert rule.critical(0.05, MANY) == math.inf
    assert rule.p_value(5.0, MANY)[0] == pytest.approx(1.0, abs=1e-3)
    assert Spending((0.001, 0.5)).critical(0.05, MANY) == pytest.approx(bounds([0.5], 0.05)[0], rel=1e-7)


def test_daily_looks_cost_a_few_percent_more_units() -> None:
    assert design_inflation([1.0], 0.05, 0.8) == pytest.approx(1.0, abs=1e-5)
    assert 1.02 < design_inflation(equal_looks(5), 0.05, 0.8) < 1.04
    assert 1.03 < design_inflation(EQUAL, 0.05, 0.8) < 1.08


@pytest.mark.parametrize("fractions", [[], [0.5, 0.5], [0.6, 0.4], [0.0, 0.5], [0.5, 1.1], [math.nan]])
def test_fractions_that_do_not_rise_within_the_plan_are_refused(fractions: list[float]) -> None:
    with pytest.raises(InvalidInput, match="fractions"):
        bounds(fractions, 0.05)
    with pytest.raises(InvalidInput, match="fractions"):
        Spending(tuple(fractions)).p_value(2.0, MANY)


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInput, match="alpha"):
        bounds([0.5, 1.0], alpha)
