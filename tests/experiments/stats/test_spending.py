import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from experiments.errors import InvalidInput
from experiments.stats.rule import Once, Sidak
from experiments.stats.spending import (
    ALPHAS,
    SMALLEST_STEP,
    Spending,
    bounds,
    check_fractions,
    constant_bound,
    crossing_probability,
    design_inflation,
    equal_looks,
    single_look_drift,
    spent,
)
from experiments.stats.student import critical_value

MANY = math.inf  # degrees of freedom
DAILY = equal_looks(28)
UNEVEN = (0.02, 0.05, 0.21, 0.22, 0.5, 0.83, 1.0)
EARLY = (0.01, 0.02, 0.04)

# Made with h1 and hupdate (r = 80) of the package gsdesign 0.1.5, Keaven Anderson's integration; upper and lower added:
#     z, w, h = h1(r, drift, t[0], low, high), then hupdate(r, drift, t[k], low, high, drift, t[k - 1], (z, w, h));
#     h.sum() over (b_k, inf) and (-inf, -b_k) is the chance to cross, that over (-b_k, b_k) goes on.
GSDESIGN = [
    (
        ((0.1, 0.35, 0.4, 0.75, 1.0), (3.2, 2.9, 2.7, 2.4, 2.1), 0.0),
        (0.001374276, 0.003579008, 0.00410857, 0.013472468, 0.023699461),
    ),
    (
        ((0.1, 0.35, 0.4, 0.75, 1.0), (3.2, 2.9, 2.7, 2.4, 2.1), 2.8),
        (0.010340448, 0.100859823, 0.076673609, 0.337449635, 0.24538974),
    ),
    (((0.5, 0.51, 0.9), (2.5, 2.2, 2.0), 1.0), (0.037165387, 0.033353588, 0.099136231)),
    (((0.02, 0.05, 0.2, 1.0), (2.0, 4.0, 3.0, 1.5), 3.5), (0.072457097, 0.000121927, 0.062625026, 0.843157045)),
]

steps = st.lists(st.floats(0.01, 1), min_size=1, max_size=12)
ends = st.floats(0.05, 1) | st.just(1.0)
alphas = st.floats(1e-6, 0.5)


def looks(gaps: list[float], end: float) -> tuple[float, ...]:
    """Fractions with these relative gaps, the last one at ``end``."""
    reached = list(accumulate(gaps))
    return (*(end * one / reached[-1] for one in reached[:-1]), end)


fractions_of = st.builds(looks, steps, ends)


def test_five_equal_looks_have_the_published_bounds() -> None:
    assert bounds(equal_looks(5), 0.05) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=5e-4)


@pytest.mark.parametrize(
    ("count", "share"),
    [(1, 0.050), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320)],
)
def test_looking_again_at_1_96_gives_the_false_alarms_of_armitage_mcpherson_and_rowe(count: int, share: float) -> None:
    z = -float(special.ndtri(0.025))
    assert sum(crossing_probability(equal_looks(count), [z] * count)) == pytest.approx(share, abs=6e-4)


@pytest.mark.parametrize(("count", "z"), [(1, 1.960), (2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555)])
def test_one_bound_for_all_looks_is_pococks(count: int, z: float) -> None:
    assert constant_bound(count, 0.05) == pytest.approx(z, abs=6e-4)


@pytest.mark.parametrize(("count", "c"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087)])
def test_o_brien_and_flemings_own_constants_hold_five_percent(count: int, c: float) -> None:
    """Jennison and Turnbull (2000), table 2.3: bounds C √(K / k)."""
    limits = [c * math.sqrt(count / look) for look in range(1, count + 1)]
    assert sum(crossing_probability(equal_looks(count), limits)) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("count", "times"), [(2, 1.110), (3, 1.166), (4, 1.202), (5, 1.229), (10, 1.301)])
def test_pococks_plan_needs_the_published_number_of_units(count: int, times: float) -> None:
    """Jennison and Turnbull (2000), table 2.2: the maximal sample size of power 80 %, alpha 5 %."""
    drift = single_look_drift(0.05, 0.8) * math.sqrt(times)
    chances = crossing_probability(equal_looks(count), [constant_bound(count, 0.05)] * count, drift)
    assert sum(chances) == pytest.approx(0.8, abs=5e-4)


@pytest.mark.parametrize(("case", "expected"), GSDESIGN)
def test_the_chance_of_crossing_agrees_with_gsdesign(
    case: tuple[tuple[float, ...], tuple[float, ...], float], expected: tuple[float, ...]
) -> None:
    assert crossing_probability(*case) == pytest.approx(expected, abs=5e-9)


@pytest.mark.parametrize("drift", [0.0, 1.7, -3.0])
def test_three_looks_agree_with_the_multivariate_normal(drift: float) -> None:
    fractions, limits = np.array([0.3, 0.45, 1.0]), np.array([2.4, 2.6, 1.9])
    mean, cov = drift * np.sqrt(fractions), np.sqrt(np.minimum.outer(fractions, fractions))
    cov /= np.sqrt(np.maximum.outer(fractions, fractions))
    inside = stats.multivariate_normal(mean, cov, abseps=1e-7, releps=1e-7).cdf(limits, lower_limit=-limits)
    assert sum(crossing_probability(fractions.tolist(), limits.tolist(), drift)) == pytest.approx(1 - inside, abs=1e-6)


@given(fractions=fractions_of, alpha=alphas)
@settings(deadline=None, max_examples=60)
def test_the_bounds_spend_what_may_be_spent_and_no_more(fractions: tuple[float, ...], alpha: float) -> None:
    chances = crossing_probability(fractions, bounds(fractions, alpha))
    allowed = [spent(alpha, fraction) for fraction in fractions]
    assert list(accumulate(chances)) == pytest.approx(allowed, rel=1e-6, abs=1e-12)


def test_three_hundred_looks_spend_what_may_be_spent() -> None:
    fractions = equal_looks(300)
    assert sum(crossing_probability(fractions, bounds(fractions, 0.05))) == pytest.approx(0.05, abs=1e-8)


def test_looks_a_millionth_apart_are_resolved() -> None:
    fractions = (0.5, 0.5 + SMALLEST_STEP, 0.7)
    assert sum(crossing_probability(fractions, bounds(fractions, 0.05))) == pytest.approx(spent(0.05, 0.7), rel=1e-7)


@given(fractions=fractions_of, alpha=alphas)
@settings(deadline=None, max_examples=40)
def test_a_later_look_changes_no_earlier_bound(fractions: tuple[float, ...], alpha: float) -> None:
    first = len(fractions) // 2 + 1
    assert bounds(fractions[:first], alpha) == bounds(fractions, alpha)[:first]


@given(fractions=fractions_of, alpha=alphas, more=st.floats(1.01, 1.9))
@settings(deadline=None, max_examples=40)
def test_a_stricter_error_rate_moves_every_bound_out(fractions: tuple[float, ...], alpha: float, more: float) -> None:
    assert all(low < high for low, high in zip(bounds(fractions, alpha * more), bounds(fractions, alpha), strict=True))


def test_spending_ends_at_alpha_and_its_first_look_has_a_closed_form() -> None:
    assert spent(0.05, 1.0) == 0.05
    assert spent(0.05, 0.3) == pytest.approx(4 * stats.norm.sf(stats.norm.ppf(1 - 0.0125) / math.sqrt(0.3)), rel=1e-12)
    assert bounds([0.3], 0.05)[0] == pytest.approx(stats.norm.isf(spent(0.05, 0.3) / 2), rel=1e-12)


def test_one_look_at_the_end_is_students_t() -> None:
    rule = Spending((1.0,))
    for t, df in [(0.0, 3.0), (0.7, 3.0), (2.1, 40.0), (5.0, 1e6), (40.0, 1e9)]:
        assert rule.p_value(t, df)[1] == pytest.approx(Once().p_value(t, df)[1], rel=1e-12, abs=1e-14)
    assert rule.critical(0.05, 12.0) == pytest.approx(critical_value(0.05, 12.0), rel=1e-12)


@pytest.mark.parametrize("fractions", [DAILY, UNEVEN, EARLY, (0.3,), (0.5, 0.51)])
def test_at_usual_error_rates_the_rule_has_the_bound_itself(fractions: tuple[float, ...]) -> None:
    for alpha in (0.1, 0.05, 0.025, 0.01):
        assert alpha in ALPHAS
        assert Spending(fractions).critical(alpha, MANY) == pytest.approx(bounds(fractions, alpha)[-1], abs=1e-10)


@pytest.mark.parametrize("fractions", [DAILY, DAILY[:14], UNEVEN, EARLY, (0.3,), (0.5, 0.51), (0.5, 0.99, 1.0)])
def test_between_the_tabulated_error_rates_the_rule_is_off_by_less_than_1e_4(fractions: tuple[float, ...]) -> None:
    alphas = [*np.geomspace(2e-12, 0.04, 12).tolist(), 0.0253, 0.0169, *np.linspace(0.07, 0.98, 14).tolist()]
    for alpha in alphas:
        assert Spending(fractions).critical(alpha, MANY) == pytest.approx(bounds(fractions, alpha)[-1], abs=1e-4)
    for alpha in alphas[:14]:
        assert Spending(fractions).p_value(bounds(fractions, alpha)[-1], MANY)[0] == pytest.approx(alpha, rel=1e-4)


rules = st.sampled_from([DAILY, DAILY[:3], DAILY[:14], UNEVEN, UNEVEN[:4], EARLY, (0.3,), (1.0,)]).map(Spending)
dfs = st.floats(1, 1e9) | st.just(math.inf)


@given(rule=rules, alpha=st.floats(1e-14, 0.999), df=dfs)
@settings(deadline=None, max_examples=150)
def test_the_critical_value_is_the_inverse_of_the_p_value(rule: Spending, alpha: float, df: float) -> None:
    t = rule.critical(alpha, df)
    if 1e-6 < t < 1e20:  # far beyond, the inverse of Student's distribution loses digits
        assert rule.p_value(t * (1 + 1e-9), df)[0] <= alpha
        assert rule.p_value(t * (1 - 1e-9), df)[0] >= alpha * (1 - 1e-12)
        assert rule.p_value(t, df)[1] == pytest.approx(math.log(alpha), rel=1e-9, abs=1e-11)


@given(rule=rules, alpha=st.floats(1e-10, 0.9), t=st.floats(0, 80), df=dfs)
@settings(deadline=None, max_examples=150)
def test_p_is_at_most_alpha_exactly_when_t_reaches_the_critical_value(
    rule: Spending, alpha: float, t: float, df: float
) -> None:
    critical = rule.critical(alpha, df)
    if abs(t - critical) > 1e-9 * critical:
        assert (rule.p_value(t, df)[0] <= alpha) == (t >= critical)


@pytest.mark.parametrize("df", [2.5, 30.0, 1e4, 1e9, math.inf])
@pytest.mark.parametrize("fractions", [DAILY, DAILY[:10], UNEVEN, EARLY, (0.02,)])
def test_p_falls_all_the_way_and_its_logarithm_stays_finite(fractions: tuple[float, ...], df: float) -> None:
    results = [Spending(fractions).p_value(t, df) for t in [*np.linspace(0, 70, 400).tolist(), 1e3, 1e50]]
    log_p = [one for _, one in results]
    assert np.isfinite(log_p).all()
    assert (np.diff(log_p)[np.array(log_p[:-1]) < 0] < 0).all()
    assert log_p[0] == 0
    assert all(p == math.exp(one) for p, one in results)


@given(rule=rules, t=st.floats(0, 60), df=dfs)
@settings(deadline=None)
def test_looking_never_makes_a_result_more_surprising(rule: Spending, t: float, df: float) -> None:
    log_p = rule.p_value(t, df)[1]
    single = stats.norm.logsf(t) + math.log(2) if math.isinf(df) else Once().p_value(t, df)[1]
    assert log_p >= single - 1e-9 * (1 - single)
    assert rule.p_value(-t, df)[1] == log_p


def test_few_degrees_of_freedom_count_by_the_tail_of_their_t() -> None:
    rule = Spending(equal_looks(5)[:3])
    z = rule.critical(0.05, MANY)
    assert rule.critical(0.05, 8.0) == pytest.approx(stats.t.isf(stats.norm.sf(z), 8), rel=1e-10)
    assert rule.p_value(4.2, 8.0)[0] == pytest.approx(rule.p_value(stats.norm.isf(stats.t.sf(4.2, 8)), MANY)[0])


@pytest.mark.parametrize("df", [1.5, 30.0, 2e3, 1e8])
def test_far_out_in_the_tails_p_and_critical_value_still_agree(df: float) -> None:
    rule = Spending((0.005,))
    t = rule.critical(0.05, df)
    assert t > 30
    assert rule.p_value(t, df)[0] == pytest.approx(0.05, rel=1e-9)


def test_so_early_that_nothing_can_be_settled_the_critical_value_is_infinite() -> None:
    rule = Spending((0.001,))
    assert rule.critical(0.05, MANY) == math.inf
    assert rule.p_value(5.0, MANY)[0] == pytest.approx(1.0, abs=1e-3)
    assert Spending((0.001, 0.5)).critical(0.05, MANY) == pytest.approx(bounds([0.5], 0.05)[0], rel=1e-7)


@pytest.mark.parametrize("fractions", [equal_looks(5), (0.1, 0.15, 0.6, 1.0), (0.3, 0.31, 0.32, 0.9)])
def test_the_bounds_spend_what_they_may_in_a_simulation(fractions: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    steps = np.sqrt(np.diff([0.0, *fractions]))
    z = (rng.normal(0, 1, (400_000, len(fractions))) * steps).cumsum(axis=1) / np.sqrt(fractions)
    crossed = np.abs(z) >= np.array(bounds(fractions, 0.05))
    sofar = [float(crossed[:, : look + 1].any(axis=1).mean()) for look in range(len(fractions))]
    assert sofar == pytest.approx([spent(0.05, fraction) for fraction in fractions], abs=0.0014)


@pytest.mark.parametrize("fractions", [equal_looks(5), (0.1, 0.15, 0.6, 1.0), (0.3, 0.36, 0.45, 0.9)])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_the_bounds_spend_what_they_may_on_a_fine_grid(fractions: tuple[float, ...], alpha: float) -> None:
    grid, mass, before = np.zeros(1), np.ones(1), 0.0
    for fraction, limit in zip(fractions, bounds(fractions, alpha), strict=True):
        end, sd = limit * math.sqrt(fraction), math.sqrt(fraction - before)
        places, width = np.linspace(-end, end, 1_001, retstep=True)
        simpson = np.array([1, *[4, 2] * 499, 4, 1]) * width / 3
        inside = (stats.norm.pdf(places[:, None], grid, sd) @ mass) * simpson
        assert 1 - inside.sum() == pytest.approx(spent(alpha, fraction), abs=1e-8)
        grid, mass, before = places, inside, fraction


@given(fractions=fractions_of, alpha=alphas)
@settings(deadline=None, max_examples=30)
def test_earlier_looks_never_make_the_last_one_easier(fractions: tuple[float, ...], alpha: float) -> None:
    looked, once = bounds((*fractions[:-1], 1.0), alpha)[-1], bounds([1.0], alpha)[0]
    assert once == pytest.approx(stats.norm.isf(alpha / 2), rel=1e-12)
    assert looked >= once - 1e-12
    assert Spending((*fractions[:-1], 1.0)).critical(alpha, 60.0) >= critical_value(alpha, 60.0) - 1e-9


def test_another_rule_can_wrap_it() -> None:
    rule = Sidak(rule=Spending(DAILY), comparisons=3)
    assert rule.p_value(rule.critical(0.05, 900.0), 900.0)[0] == pytest.approx(0.05, rel=1e-9)


def test_daily_looks_cost_five_percent_more_units() -> None:
    times = design_inflation(28, 0.05, 0.8)
    assert times == pytest.approx(1.049, abs=5e-4)
    drift = single_look_drift(0.05, 0.8) * math.sqrt(times)
    assert sum(crossing_probability(DAILY, bounds(DAILY, 0.05), drift)) == pytest.approx(0.8, abs=1e-5)


@given(fractions=fractions_of, power=st.floats(0.3, 0.97))
@settings(deadline=None, max_examples=25)
def test_looking_costs_units_and_one_look_at_the_end_none(fractions: tuple[float, ...], power: float) -> None:
    assert design_inflation((*fractions[:-1], 1.0), 0.05, power) >= 1 - 1e-9
    assert design_inflation([1.0], 0.05, power) == pytest.approx(1.0, rel=1e-9)


@given(fractions=fractions_of, drift=st.floats(0, 8))
@settings(deadline=None, max_examples=40)
def test_both_directions_are_found_alike(fractions: tuple[float, ...], drift: float) -> None:
    limits = [2.2] * len(fractions)
    assert crossing_probability(fractions, limits, drift) == pytest.approx(
        crossing_probability(fractions, limits, -drift), rel=1e-12
    )


def test_a_look_at_which_nobody_may_stop_stops_nobody() -> None:
    chances = crossing_probability([0.3, 0.6, 1.0], [math.inf, 2.0, math.inf])
    assert chances == pytest.approx([0.0, 2 * stats.norm.sf(2.0), 0.0], abs=1e-9)


@pytest.mark.parametrize(
    "wrong", [[], [0.0], [-0.1, 0.5], [0.5, 0.5], [0.6, 0.4], [0.5, 1.1], [math.nan], [0.5, math.nan]]
)
def test_fractions_that_do_not_rise_within_0_and_1_are_refused(wrong: list[float]) -> None:
    for use in (check_fractions, lambda one: bounds(one, 0.05), lambda one: Spending(tuple(one))):
        with pytest.raises(InvalidInput, match="fractions"):
            use(wrong)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    for use in (lambda: spent(alpha, 0.5), lambda: bounds([1.0], alpha), lambda: constant_bound(3, alpha)):
        with pytest.raises(InvalidInput, match="alpha"):
            use()


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InvalidInput, match="bounds"):
        crossing_probability([0.5, 1.0], [2.0])
    with pytest.raises(InvalidInput, match="bounds"):
        crossing_probability([0.5, 1.0], [2.0, 0.0])
    with pytest.raises(InvalidInput, match="drift"):
        crossing_probability([1.0], [2.0], 31.0)
    with pytest.raises(InvalidInput, match="looks"):
        constant_bound(0, 0.05)
    with pytest.raises(InvalidInput, match="looks"):
        design_inflation([1e-3], 0.05, 0.8)
    with pytest.raises(InvalidInput, match="power"):
        design_inflation(5, 0.05, 0.04)
