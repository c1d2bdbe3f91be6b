import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from experiments.contracts import Reason
from experiments.errors import InvalidInput
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import Estimate
from experiments.stats.rule import Sidak
from experiments.stats.sequence import (
    FEWEST_CONVERSIONS,
    FEWEST_UNITS,
    Sequence,
    ready,
    rho_squared,
    running_interval,
    running_p,
)
from experiments.stats.spending import Spending

# Made with gbstats 0.8.0 in an environment of its own (it needs numpy < 2): SequentialTwoSidedTTest of two
# SampleMeanStatistic with variances 4 and 9 and SequentialConfig(alpha=…, sequential_tuning_parameter=…), absolute.
# n control, n treatment, effect, alpha, tuning parameter; half-width of the interval, p-value.
GBSTATS = [
    ((1_000, 1_100, 0.2, 0.05, 5_000), (0.3436642684534681, 0.5887510784867157)),
    ((150, 160, 2.0, 0.05, 5_000), (1.2676974237524332, 0.0004288699163965002)),
    ((40_000, 39_000, 0.1, 0.01, 20_000), (0.06642017306033768, 2.5709057211381203e-06)),
    ((7, 9, 3.0, 0.2, 100), (3.7274736264068054, 0.3888987424283813)),
    ((500_000, 500_000, 0.02, 0.05, 5_000), (0.018644750793239934, 0.018273993491070985)),
]

sizes = st.floats(1, 1e9)
alphas = st.floats(1e-9, 0.99)
rules = st.builds(lambda n, planned_n, alpha: Sequence(n=n, planned_n=planned_n, alpha=alpha), sizes, sizes, alphas)


def standard_error(n_c: int, n_t: int) -> float:
    return math.sqrt(4 / n_c + 9 / n_t)


@pytest.mark.parametrize(("case", "expected"), GBSTATS)
def test_half_width_and_p_value_are_those_of_gbstats(
    case: tuple[int, int, float, float, int], expected: tuple[float, float]
) -> None:
    n_c, n_t, effect, alpha, tuning = case
    rule, se = Sequence(n=n_c + n_t, planned_n=tuning, alpha=alpha), standard_error(n_c, n_t)
    assert rule.critical(alpha, 1.0) * se == pytest.approx(expected[0], rel=1e-12)
    assert rule.p_value(effect / se, 1.0)[0] == pytest.approx(expected[1], rel=1e-11)


def test_half_width_is_the_formula_of_the_paper_written_in_its_own_symbols() -> None:
    n, planned, alpha, s2 = 2_100, 5_000, 0.05, 7.3
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned)
    half_width = math.sqrt(s2 * 2 * (n * rho**2 + 1) / (n**2 * rho**2) * math.log(math.sqrt(n * rho**2 + 1) / alpha))
    rule = Sequence(n=n, planned_n=planned, alpha=alpha)
    assert rule.critical(alpha, 50.0) * math.sqrt(s2 / n) == pytest.approx(half_width, rel=1e-13)


@pytest.mark.parametrize("case", [case for case, _ in GBSTATS])
def test_half_width_is_where_the_mixture_sequential_probability_ratio_reaches_1_over_alpha(
    case: tuple[int, int, float, float, int],
) -> None:
    """Johari et al. (2022): Λ = √(V / (V + τ²)) exp(τ² d² / (2 V (V + τ²))), V = SE², with τ² = N ρ² V."""
    n_c, n_t, _, alpha, tuning = case
    rule, v = Sequence(n=n_c + n_t, planned_n=tuning, alpha=alpha), standard_error(n_c, n_t) ** 2
    tau2 = rule.mixture * v

    def log_ratio(d: float) -> float:
        return math.log(v / (v + tau2)) / 2 + tau2 * d * d / (2 * v * (v + tau2))

    width = optimize.brentq(lambda d: log_ratio(d) + math.log(alpha), 0, 100, xtol=1e-15, rtol=1e-14)
    assert rule.critical(alpha, 9.0) * math.sqrt(v) == pytest.approx(width, rel=1e-9)


@pytest.mark.parametrize("z", [0.0, 1.0, 2.5, 4.0])
def test_the_evidence_is_a_likelihood_ratio_averaged_over_normal_effects(z: float) -> None:
    rule = Sequence(n=900, planned_n=4_000)
    root = math.sqrt(rule.mixture)
    average, _ = integrate.quad(
        lambda mean: stats.norm.pdf(z, mean) / stats.norm.pdf(z) * stats.norm.pdf(mean, 0, root), -30, 30, epsabs=1e-13
    )
    assert rule.p_value(z, 10.0)[0] == pytest.approx(min(1 / average, 1.0), rel=1e-9)


@given(rule=rules, alpha=alphas)
def test_the_critical_value_is_the_inverse_of_the_p_value(rule: Sequence, alpha: float) -> None:
    z = rule.critical(alpha, 5.0)
    assert rule.p_value(z, 5.0)[1] == pytest.approx(math.log(alpha), rel=1e-9, abs=1e-9)
    assert rule.p_value(z * (1 + 1e-7), 5.0)[0] <= alpha < rule.p_value(z * (1 - 1e-6), 5.0)[0]


@given(rule=rules, alpha=alphas, t=st.floats(-200, 200))
def test_p_is_at_most_alpha_exactly_when_z_reaches_the_critical_value(rule: Sequence, alpha: float, t: float) -> None:
    critical = rule.critical(alpha, 5.0)
    if abs(abs(t) - critical) > 1e-9 * critical:
        assert (rule.p_value(t, 5.0)[0] <= alpha) == (abs(t) >= critical)


@given(rule=rules, t=st.floats(0, 1e3), further=st.floats(0.01, 10))
def test_p_falls_with_z_and_looks_alike_on_both_sides(rule: Sequence, t: float, further: float) -> None:
    log_p, beyond = rule.p_value(t, 3.0)[1], rule.p_value(t + further, 3.0)[1]
    assert beyond < log_p or beyond == log_p == 0
    assert rule.p_value(-t, 3.0)[1] == log_p


@given(rule=rules, t=st.floats(0, 40))
def test_looking_for_ever_never_makes_a_result_more_surprising_than_one_look(rule: Sequence, t: float) -> None:
    assert rule.p_value(t, 7.0)[1] >= math.log(2) + stats.norm.logsf(t) - 1e-9


@pytest.mark.parametrize("t", [60.0, 1e6, 1e140, 1e300])
def test_the_logarithm_stays_finite_where_p_underflows(t: float) -> None:
    p, log_p = Sequence(n=1e6, planned_n=1e6).p_value(t, 10.0)
    assert p == 0
    assert math.isfinite(log_p)


def test_the_logarithm_is_exact_far_out() -> None:
    rule = Sequence(n=5_000, planned_n=5_000)
    m = rule.mixture
    assert rule.p_value(60.0, 10.0)[1] == pytest.approx(math.log(1 + m) / 2 - 1800 * m / (1 + m), rel=1e-14)


@given(planned_n=st.floats(100, 1e7), alpha=st.floats(1e-4, 0.3))
def test_near_its_planned_units_the_interval_is_as_narrow_as_any_tuning_makes_it(
    planned_n: float, alpha: float
) -> None:
    tuned = Sequence(n=planned_n, planned_n=planned_n, alpha=alpha).critical(alpha, 1.0)
    others = [Sequence(n=planned_n, planned_n=planned_n * times, alpha=alpha) for times in (0.25, 0.5, 0.8, 1.25, 2, 4)]
    assert tuned < min(other.critical(alpha, 1.0) for other in others) * 1.005


def test_the_tuning_follows_the_error_rate_it_was_made_for_not_the_one_that_is_asked_later() -> None:
    rule = Sequence(n=1_000, planned_n=5_000)
    assert rule.mixture == pytest.approx(1_000 * rho_squared(0.05, 5_000))
    assert rule.critical(0.01, 9.0) > rule.critical(0.05, 9.0)
    assert rule.critical(0.01, 9.0) != pytest.approx(Sequence(n=1_000, planned_n=5_000, alpha=0.01).critical(0.01, 9.0))


def test_degrees_of_freedom_play_no_part_and_another_rule_can_wrap_it() -> None:
    rule = Sequence(n=700, planned_n=1_000)
    assert rule.p_value(3.3, 2.0) == rule.p_value(3.3, math.inf)
    wrapped = Sidak(rule=rule, comparisons=2)
    assert wrapped.p_value(wrapped.critical(0.05, 9.0), 9.0)[0] == pytest.approx(0.05)


def test_the_running_p_value_is_the_smallest_so_far_and_skips_what_had_no_answer() -> None:
    assert running_p([0.4, math.nan, 0.03, 0.6]) == 0.03
    assert math.isnan(running_p([]))
    assert math.isnan(running_p([math.nan]))


def test_the_running_interval_is_what_all_intervals_share() -> None:
    assert running_interval([(-2.0, 5.0), (math.nan, math.nan), (0.5, 9.0), (-1.0, 4.0)]) == (0.5, 4.0)
    assert running_interval([(-math.inf, math.inf), (1.0, 2.0)]) == (1.0, 2.0)


@pytest.mark.parametrize("intervals", [[], [(math.nan, math.nan)], [(0.0, 1.0), (2.0, 3.0)]])
def test_intervals_that_share_nothing_have_no_common_one(intervals: list[tuple[float, float]]) -> None:
    assert all(map(math.isnan, running_interval(intervals)))


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 5)), min_size=1, max_size=8))
def test_the_running_interval_lies_within_each(pairs: list[tuple[float, float]]) -> None:
    intervals = [(low, low + width) for low, width in pairs]
    low, high = running_interval(intervals)
    if not math.isnan(low):
        assert all(one <= low <= high <= other for one, other in intervals)


@given(st.lists(st.tuples(st.floats(-6, 6), st.floats(10, 1e5)), min_size=1, max_size=8), st.floats(100, 1e5))
def test_the_running_p_value_and_the_running_interval_never_disagree(
    looks: list[tuple[float, float]], planned_n: float
) -> None:
    rules = [(z, Sequence(n=n, planned_n=planned_n)) for z, n in looks]
    assume(all(abs(abs(z) - rule.critical(0.05, 9.0)) > 1e-9 for z, rule in rules))
    p = running_p(rule.p_value(z, 9.0)[0] for z, rule in rules)
    low, high = running_interval((z - rule.critical(0.05, 9.0), z + rule.critical(0.05, 9.0)) for z, rule in rules)
    assert (p <= 0.05) == (math.isnan(low) or low > 0 or high < 0)


@pytest.mark.parametrize(
    ("n", "conversions", "answer"),
    [
        (FEWEST_UNITS, None, True),
        (FEWEST_UNITS - 1, None, False),
        (10_000, FEWEST_CONVERSIONS, True),
        (10_000, FEWEST_CONVERSIONS - 1, False),
        (FEWEST_UNITS - 1, 50, False),
    ],
)
def test_an_arm_is_ready_with_enough_units_and_conversions(n: int, conversions: float | None, answer: bool) -> None:
    assert ready(n, conversions) is answer


@pytest.mark.parametrize(
    ("field", "n", "planned_n", "alpha"),
    [
        ("n", 0.0, 100.0, 0.05),
        ("n", math.nan, 100.0, 0.05),
        ("n", math.inf, 100.0, 0.05),
        ("planned_n", 100.0, 0.0, 0.05),
        ("planned_n", 100.0, math.inf, 0.05),
        ("planned_n", 100.0, math.nan, 0.05),
        ("alpha", 100.0, 100.0, 0.0),
        ("alpha", 100.0, 100.0, 1.0),
    ],
)
def test_a_sequence_that_cannot_be_is_refused(field: str, n: float, planned_n: float, alpha: float) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}:"):
        Sequence(n=n, planned_n=planned_n, alpha=alpha)


def test_a_comparison_too_early_in_a_plan_has_its_effect_and_a_reason() -> None:
    one, other = Estimate(n=10, mean=1.0, var=1.0), Estimate(n=10, mean=2.0, var=1.0)
    result = compare_estimates(one, other, alpha=0.05, control_name="c", arm="t", rule=Spending((0.0005,)))
    assert result.effect == 1.0
    assert math.isnan(result.p_value)
    assert math.isnan(result.ci_low)
    assert result.reasons == (Reason.TOO_EARLY,)
