import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from experiments.contracts import Direction, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats.moments import Moments
from experiments.stats.planning import (
    Baseline,
    Design,
    detectable_effect,
    non_inferiority_size,
    power_of,
    sample_size,
)
from experiments.stats.power import chance, noncentrality, welch_df
from experiments.stats.traffic import Traffic, effect_curve, run_time, smallest_effect

UNIT = Baseline(mean=1.0, var=1.0)  # an absolute effect is Cohen's d
REVENUE = Baseline(mean=10.0, var=400.0)
CONVERSION = Baseline(mean=0.05, var=0.0475, kind=Kind.PROPORTION)

# Cohen 1988, table 2.4.1: units per arm by effect (standard deviations), two-sided alpha .05.
COHEN = {(0.2, 0.8): 393, (0.5, 0.8): 64, (0.8, 0.8): 26, (0.2, 0.9): 526, (0.5, 0.9): 85, (0.8, 0.9): 34}

baselines = st.builds(
    Baseline,
    mean=st.floats(1, 1e4),
    var=st.floats(1e-3, 1e5),
    reduction=st.floats(0, 0.95),
)
shares = st.floats(0.01, 0.9).map(
    lambda p: Baseline(mean=p, var=p * (1 - p), reduction=p / 2, kind=Kind.PROPORTION),
)
designs = st.builds(
    Design,
    alpha=st.floats(0.001, 0.2),
    power=st.floats(0.4, 0.99),
    weights=st.lists(st.floats(1, 20), min_size=2, max_size=4).map(tuple),
    inflation=st.floats(1, 4),
)
traffics = st.builds(Traffic, daily_new=st.lists(st.integers(0, 10_000), min_size=1, max_size=40).map(tuple))


# by hand and published


@pytest.mark.parametrize(("cell", "n"), COHEN.items())
def test_sample_sizes_are_the_published_ones(cell: tuple[float, float], n: int) -> None:
    effect, power = cell
    found = sample_size(UNIT, Design(power=power), effect=effect).arms[0]
    assert n <= found <= n + 1  # the table rounds to the nearest unit, we round up


def test_a_share_needs_the_units_of_two_binomial_variances() -> None:
    z = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
    expected = z**2 * (0.05 * 0.95 + 0.06 * 0.94) / 0.01**2
    found = sample_size(CONVERSION, Design(), rel_effect=0.2)
    assert found.arms[0] == pytest.approx(expected, abs=3)  # a t-test costs about one unit more
    assert found.arms[0] > sample_size(Baseline(mean=0.05, var=0.0475), Design(), rel_effect=0.2).arms[0] * 1.08


def test_a_fall_of_a_share_needs_fewer_units_than_a_rise() -> None:
    up, down = (sample_size(CONVERSION, Design(), rel_effect=effect).units for effect in (0.2, -0.2))
    assert down < up


def test_covariates_save_their_share_of_the_units() -> None:
    plain = sample_size(REVENUE, Design(), rel_effect=0.02).units
    adjusted = sample_size(Baseline(mean=10.0, var=400.0, reduction=0.36), Design(), rel_effect=0.02).units
    assert adjusted == pytest.approx(0.64 * plain, abs=4)


def test_looking_often_multiplies_the_units() -> None:
    once = sample_size(REVENUE, Design(), rel_effect=0.02).units
    often = sample_size(REVENUE, Design(inflation=2.43), rel_effect=0.02).units
    assert often == pytest.approx(2.43 * once, abs=6)
    assert power_of(REVENUE, often, Design(inflation=2.43), rel_effect=0.02) == pytest.approx(0.8, abs=1e-4)


def test_several_treatments_share_alpha_and_the_smallest_one_sets_the_size() -> None:
    design = Design(weights=(2, 1, 3))
    assert 1 - (1 - design.level) ** 2 == pytest.approx(0.05, abs=1e-15)
    two = Design(alpha=design.level, weights=(2, 1))
    control, smallest, other = sample_size(REVENUE, design, rel_effect=0.05).arms
    assert (control, smallest) == sample_size(REVENUE, two, rel_effect=0.05).arms
    assert other == pytest.approx(3 * smallest, abs=3)


def test_comparisons_can_be_more_than_the_treatments() -> None:
    assert Design(comparisons=2).level == Design(weights=(1, 1, 1)).level
    assert Design(comparisons=1, weights=(1, 1, 1)).level == 0.05


def test_a_ratio_is_planned_with_the_variance_of_its_linearised_values() -> None:
    rng = np.random.default_rng(11)
    impressions = rng.geometric(1 / 13, 20_000).astype(float)
    clicks = rng.binomial(impressions.astype(int), rng.beta(2, 38, 20_000)).astype(float)
    baseline = Baseline.from_moments(Moments.from_arrays(clicks, impressions), Kind.RATIO)
    ctr = clicks.sum() / impressions.sum()
    linearised = (clicks - ctr * impressions) / impressions.mean()
    assert baseline.mean == pytest.approx(ctr, rel=1e-12)
    assert baseline.var == pytest.approx(linearised.var(ddof=1), rel=1e-9)
    # users who differ need more than the impressions alone would say
    naive = Baseline(mean=ctr, var=ctr * (1 - ctr) / impressions.mean())
    needed, too_few = (sample_size(one, Design(), rel_effect=0.05).units for one in (baseline, naive))
    assert needed > 1.5 * too_few


def test_a_ratio_over_one_per_unit_is_planned_as_a_mean() -> None:
    values = [1.0, 4.0, 2.0, 8.0]
    mean = Baseline.from_moments(Moments.from_arrays(values), Kind.MEAN)
    ratio = Baseline.from_moments(Moments.from_arrays(values, [1.0] * 4), Kind.RATIO)
    assert (ratio.mean, ratio.var) == pytest.approx((mean.mean, mean.var), rel=1e-12)


# outside oracles


@pytest.mark.parametrize("df", [4.0, 5.7, 30.0, 1e3, 1e5, 999_999.0, 1_000_001.0, 782_387_622.0, 1e9])
@pytest.mark.parametrize("delta", [0.0, 0.3, 1.5, 2.8, 6.0])
def test_the_chance_is_the_textbook_integral_over_the_standard_deviation(df: float, delta: float) -> None:
    # whole degrees of freedom in the hundreds of millions are where scipy's own noncentral t is 5e-9 off
    critical = stats.t.isf(0.02, df)
    low, high = (1e-9, 6.0) if df < 60 else (1 - 10 / math.sqrt(df), 1 + 10 / math.sqrt(df))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    s = (low + high) / 2 + (high - low) / 2 * nodes
    log_density = (df - 1) * np.log(s) - df * (s**2 - 1) / 2
    density = weights * np.exp(log_density - log_density.max())
    found = special.ndtr(delta - critical * s) + special.ndtr(-delta - critical * s)
    assert chance(delta, df, 0.04) == pytest.approx(density @ found / density.sum(), abs=2e-11)


@pytest.mark.parametrize("n", [10, 20, 150, 5_000, 100_000])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 3.0, 9.0])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_power_is_statsmodels_on_our_degrees_of_freedom(n: int, ratio: float, alpha: float) -> None:
    effect = 2.3 * math.sqrt((1 + 1 / ratio) / n)
    ours = power_of(UNIT, n * (1 + ratio), Design(alpha=alpha, weights=(1, ratio)), effect=effect)
    peer = TTestIndPower().power(effect, n, alpha, ratio=ratio, df=welch_df(n, n * ratio))
    assert ours == pytest.approx(peer, abs=1e-9)


@pytest.mark.parametrize("effect", [0.01, 0.05, 0.2, 0.9])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_an_equal_split_needs_statsmodels_units_to_the_unit(effect: float, power: float) -> None:
    peer = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=power)
    assert sample_size(UNIT, Design(power=power), effect=effect).arms == (math.ceil(peer),) * 2


@pytest.mark.parametrize("ratio", [0.25, 2.0, 9.0])
@pytest.mark.parametrize("effect", [0.02, 0.1, 0.5])
def test_an_unequal_split_needs_statsmodels_units_and_welch_s_few_more(effect: float, ratio: float) -> None:
    peer = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8, ratio=ratio)
    control, treatment = sample_size(UNIT, Design(weights=(1, ratio)), effect=effect).arms
    # statsmodels pools the variances (n - 2 degrees of freedom), which our test does not
    more = 2.5 * max(1, ratio, 1 / ratio)
    assert peer <= control <= peer + more
    assert peer * ratio <= treatment <= (peer + more) * ratio + 1


@pytest.mark.parametrize("ratio", [1.0, 0.25, 9.0])
def test_many_units_need_those_of_the_normal_distribution(ratio: float) -> None:
    peer = NormalIndPower().solve_power(effect_size=0.01, alpha=0.05, power=0.8, ratio=ratio)
    assert sample_size(UNIT, Design(weights=(1, ratio)), effect=0.01).arms[0] == pytest.approx(peer, rel=1e-4)
    ours = power_of(UNIT, 1e9, Design(weights=(1, ratio)), effect=1e-4)
    assert ours == pytest.approx(NormalIndPower().power(1e-4, 1e9 / (1 + ratio), 0.05, ratio=ratio), abs=1e-7)


@pytest.mark.parametrize("n", [5, 12, 80, 30_000])
def test_statsmodels_finds_the_detectable_effect_with_the_planned_power(n: int) -> None:
    # its own solver stops at an effect that is up to 5e-5 off
    found = detectable_effect(UNIT, 2 * n, Design()).effect
    assert TTestIndPower().power(found, n, 0.05) == pytest.approx(0.8, abs=1e-9)
    assert TTestIndPower().solve_power(effect_size=None, nobs1=n, alpha=0.05, power=0.8) == pytest.approx(
        found, rel=1e-4
    )


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("mean", [10.0, -10.0])
def test_a_guardrail_needs_statsmodels_one_sided_units(direction: Direction, mean: float) -> None:
    rises = (direction is Direction.INCREASE) == (mean > 0)
    tolerated = 0.95 if rises else 1.05
    effect = 0.05 * 10 / (20 * math.sqrt((1 + tolerated**2) / 2))
    peer = TTestIndPower().solve_power(effect_size=effect, alpha=0.025, power=0.8, alternative="larger")
    found = non_inferiority_size(Baseline(mean=mean, var=400.0), 0.05, Design(), direction=direction)
    assert found.arms == (math.ceil(peer),) * 2


def test_a_guardrail_takes_no_credit_for_the_far_side() -> None:
    assert chance(0.0, 50.0, 0.04, one_sided=True) == pytest.approx(0.02, abs=1e-12)
    found = non_inferiority_size(REVENUE, 0.01, Design(alpha=0.2, power=0.21))
    effect = 0.1 / (20 * math.sqrt((1 + 0.99**2) / 2))
    peer = TTestIndPower().solve_power(effect_size=effect, alpha=0.1, power=0.21, alternative="larger")
    assert found.arms == (math.ceil(peer),) * 2


# properties


@given(baselines | shares, designs, st.floats(0.002, 0.09))
def test_the_size_is_the_smallest_that_has_the_power(baseline: Baseline, design: Design, rel_effect: float) -> None:
    size = sample_size(baseline, design, rel_effect=rel_effect)
    fewer = size.units - len(size.arms)  # each arm is rounded up
    assert all(arm >= 5 for arm in size.arms)
    assert power_of(baseline, size.units, design, rel_effect=rel_effect) >= design.power - 1e-10
    if min(size.arms) > 5 * design.inflation + 1:
        assert power_of(baseline, fewer, design, rel_effect=rel_effect) <= design.power + 1e-10


@given(baselines | shares, designs, st.floats(60, 1e9))
def test_the_detectable_effect_is_found_with_the_planned_power(
    baseline: Baseline, design: Design, units: float
) -> None:
    units *= design.inflation * sum(design.weights) / min(design.weights)
    found = detectable_effect(baseline, units, design)
    if not found.reasons:
        assert power_of(baseline, units, design, effect=found.effect) == pytest.approx(design.power, abs=1e-6)
        assert found.rel_effect == pytest.approx(found.effect / baseline.mean, rel=1e-12)


@given(baselines, designs, st.floats(0.01, 0.5))
def test_size_and_detectable_effect_are_inverse(baseline: Baseline, design: Design, rel_effect: float) -> None:
    size = sample_size(baseline, design, rel_effect=rel_effect)
    if 1e4 < size.units < 1e12:
        found = detectable_effect(baseline, size.units, design)
        assert found.rel_effect == pytest.approx(rel_effect, rel=0.01)


@given(baselines, designs, st.floats(0.01, 0.5), st.floats(1e-3, 1e3))
def test_the_unit_of_measurement_does_not_matter(
    baseline: Baseline, design: Design, rel_effect: float, scale: float
) -> None:
    scaled = Baseline(mean=baseline.mean * scale, var=baseline.var * scale**2, reduction=baseline.reduction)
    here, there = (sample_size(one, design, rel_effect=rel_effect) for one in (baseline, scaled))
    assert there.arms == pytest.approx(here.arms, abs=1, rel=1e-9)


@given(baselines | shares, designs, st.floats(0.01, 0.08))
def test_smaller_effects_and_more_power_need_more_units(baseline: Baseline, design: Design, rel_effect: float) -> None:
    more = Design(alpha=design.alpha, power=(1 + design.power) / 2, weights=design.weights, inflation=design.inflation)
    needed = sample_size(baseline, design, rel_effect=rel_effect).units
    assert sample_size(baseline, design, rel_effect=rel_effect / 2).units >= needed
    assert sample_size(baseline, more, rel_effect=rel_effect).units >= needed


@given(st.floats(4, 1e12), st.floats(1e-9, 0.3), st.floats(0.001, 0.999))
def test_chance_and_noncentrality_are_inverse(df: float, level: float, part: float) -> None:
    power = level + part * (1 - level)
    assert chance(noncentrality(df, level, power), df, level) == pytest.approx(power, abs=1e-8)


@given(baselines, designs, st.floats(0, 1e4))
def test_a_rise_and_a_fall_of_a_mean_are_found_alike(baseline: Baseline, design: Design, units: float) -> None:
    up, down = (power_of(baseline, units, design, rel_effect=effect) for effect in (0.1, -0.1))
    assert up == down or (math.isnan(up) and math.isnan(down))


# data that cannot answer


@pytest.mark.parametrize(
    ("baseline", "reason"),
    [
        (Baseline(mean=1.0, var=0.0), Reason.NO_VARIANCE),
        (Baseline(mean=1.0, var=2.0, reduction=1.0), Reason.NO_VARIANCE),
        (Baseline(mean=math.nan, var=math.nan), Reason.MISSING),
        (Baseline(mean=1.0, var=1.0, reduction=math.nan), Reason.MISSING),
        (Baseline(mean=1.0, var=math.inf), Reason.MISSING),
        (Baseline.from_moments(Moments.empty(1), Kind.MEAN), Reason.MISSING),
        (Baseline.from_moments(Moments.from_arrays([1.0]), Kind.PROPORTION), Reason.MISSING),
        (Baseline.from_moments(Moments.from_arrays([0.0, 0.0]), Kind.PROPORTION), Reason.NO_VARIANCE),
        (Baseline.from_moments(Moments.from_arrays([1.0, 2.0], [0.0, 0.0]), Kind.RATIO), Reason.MISSING),
    ],
)
def test_data_that_cannot_answer_gives_nan_and_a_reason(baseline: Baseline, reason: Reason) -> None:
    for size in (
        sample_size(baseline, Design(), effect=0.1),
        sample_size(baseline, Design(), rel_effect=0.1),
        non_inferiority_size(baseline, 0.1, Design()),
    ):
        assert math.isnan(size.units)
        assert all(map(math.isnan, size.arms))
        assert size.reasons == (reason,)
    found = detectable_effect(baseline, 1_000, Design())
    assert math.isnan(found.effect)
    assert math.isnan(found.rel_effect)
    assert found.reasons == (reason,)
    assert math.isnan(power_of(baseline, 1_000, Design(), effect=0.1))
    took = run_time(baseline, 0.1, Design(), Traffic(daily_new=(100,) * 7), 30)
    assert (took.days, took.reasons) == (None, (reason,))


def test_a_control_of_0_has_an_absolute_answer_and_no_relative_one() -> None:
    nothing = Baseline(mean=0.0, var=4.0)
    assert sample_size(nothing, Design(), effect=0.5).units == sample_size(UNIT, Design(), effect=0.25).units
    assert sample_size(nothing, Design(), rel_effect=0.5).reasons == (Reason.ZERO_BASELINE,)
    assert non_inferiority_size(nothing, 0.5, Design()).reasons == (Reason.ZERO_BASELINE,)
    assert math.isnan(power_of(nothing, 100, Design(), rel_effect=0.5))
    found = detectable_effect(nothing, 1_000, Design())
    assert found.effect > 0
    assert math.isnan(found.rel_effect)
    assert found.reasons == (Reason.ZERO_BASELINE,)


def test_a_negative_control_turns_relative_effects_round() -> None:
    debt = Baseline(mean=-10.0, var=400.0)
    assert sample_size(debt, Design(), rel_effect=0.05) == sample_size(REVENUE, Design(), rel_effect=0.05)
    found = detectable_effect(debt, 1_000, Design())
    assert found.effect == detectable_effect(REVENUE, 1_000, Design()).effect
    assert found.rel_effect < 0


@pytest.mark.parametrize(("units", "reason"), [(0, Reason.NO_UNITS), (9, Reason.TOO_FEW_UNITS)])
def test_a_handful_of_units_can_show_nothing(units: int, reason: Reason) -> None:
    assert detectable_effect(REVENUE, units, Design()).reasons == (reason,)
    assert math.isnan(power_of(REVENUE, units, Design(), effect=100.0))
    assert detectable_effect(REVENUE, 10, Design()).effect > 0


def test_a_share_beyond_0_or_1_cannot_be_planned() -> None:
    for effect in (20.0, -1.1):
        assert sample_size(CONVERSION, Design(), rel_effect=effect).reasons == (Reason.UNBOUNDED,)
        assert math.isnan(power_of(CONVERSION, 1_000, Design(), rel_effect=effect))
    assert sample_size(CONVERSION, Design(), rel_effect=-1.0).units > 10
    assert detectable_effect(Baseline(mean=0.9, var=0.09, kind=Kind.PROPORTION), 50, Design()).reasons == (
        Reason.UNBOUNDED,
    )


@pytest.mark.parametrize("effect", [1e-300, 5e-324, 1e-9])
def test_an_effect_that_no_number_of_units_shows_is_said_to_be_so(effect: float) -> None:
    assert sample_size(REVENUE, Design(), effect=effect).reasons == (Reason.UNBOUNDED,)


@pytest.mark.parametrize("effect", [1e3, 1e12, 1e300])
def test_a_huge_effect_still_needs_five_units_an_arm(effect: float) -> None:
    assert sample_size(UNIT, Design(weights=(9, 1)), effect=effect).arms == (45, 5)
    assert power_of(UNIT, 50, Design(weights=(9, 1)), effect=effect) == pytest.approx(1)


# wrong arguments


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("alpha", {"alpha": 0.0}),
        ("alpha", {"alpha": 1.0}),
        ("alpha", {"alpha": math.nan}),
        ("power", {"power": 0.0}),
        ("power", {"power": 1.0}),
        ("power", {"power": 0.05}),
        ("weights", {"weights": (1.0,)}),
        ("weights", {"weights": (1.0, 0.0)}),
        ("weights", {"weights": (1.0, math.inf)}),
        ("inflation", {"inflation": 0.99}),
        ("inflation", {"inflation": math.nan}),
        ("comparisons", {"comparisons": 0}),
    ],
)
def test_a_wrong_design_is_refused(field: str, arguments: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: ") as caught:
        Design(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("var", {"var": -1.0}),
        ("reduction", {"reduction": -0.1}),
        ("reduction", {"reduction": 1.1}),
        ("kind", {"kind": Kind.QUANTILE}),
        ("mean", {"mean": 1.2, "kind": Kind.PROPORTION}),
    ],
)
def test_a_wrong_baseline_is_refused(field: str, arguments: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: "):
        Baseline(**{"mean": 0.5, "var": 1.0} | arguments)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"effect": 1.0, "rel_effect": 0.1}, {"effect": 0.0}, {"rel_effect": math.nan}, {"effect": math.inf}],
)
def test_exactly_one_effect_must_be_asked_for(arguments: dict[str, float]) -> None:
    for baseline in (REVENUE, Baseline(mean=math.nan, var=math.nan)):
        with pytest.raises(InvalidInput, match=r"^(rel_)?effect: "):
            sample_size(baseline, Design(), **arguments)
        with pytest.raises(InvalidInput, match=r"^(rel_)?effect: "):
            power_of(baseline, 100, Design(), **arguments)


def test_negative_numbers_of_units_and_days_are_refused() -> None:
    traffic = Traffic(daily_new=(10,) * 7)
    for field, call in (
        ("units", lambda: detectable_effect(REVENUE, -1, Design())),
        ("units", lambda: power_of(REVENUE, math.nan, Design(), effect=1.0)),
        ("margin", lambda: non_inferiority_size(REVENUE, 1.0, Design())),
        ("daily_new", lambda: Traffic(daily_new=(3, -1))),
        ("days", lambda: traffic.units_by(-1)),
        ("days", lambda: effect_curve(REVENUE, Design(), traffic, -1)),
        ("days", lambda: run_time(REVENUE, 0.1, Design(), traffic, -1)),
    ):
        with pytest.raises(InvalidInput, match=f"^{field}: "):
            call()


# traffic


@pytest.mark.parametrize("b", [0.3, 0.5, 0.8, 1.0])
def test_a_power_law_is_continued(b: float) -> None:
    total = [round(1e6 * day**b) for day in range(29)]
    traffic = Traffic(daily_new=tuple(later - earlier for earlier, later in pairwise(total)))
    assert traffic.exponent == pytest.approx(b, abs=1e-5)
    assert traffic.units_by(28) == total[28]
    assert traffic.units_by(60) == pytest.approx(1e6 * 60**b, rel=1e-4)


def test_days_that_were_seen_are_counted_and_not_fitted() -> None:
    assert Traffic(daily_new=(5, 0, 100, 1, 2, 0, 0, 9)).arrivals(8) == (5, 5, 105, 106, 108, 108, 108, 117)


@pytest.mark.parametrize("daily_new", [(30, 20, 10), (0, 0, 0, 0, 0, 0, 0, 60), (1, 2, 4, 8, 16, 32, 64)])
def test_a_short_or_growing_history_goes_on_at_its_mean_rate(daily_new: tuple[int, ...]) -> None:
    traffic = Traffic(daily_new=daily_new)
    assert traffic.exponent == 1
    assert traffic.units_by(10 * len(daily_new)) == 10 * sum(daily_new)


def test_traffic_that_has_dried_up_brings_nobody() -> None:
    traffic = Traffic(daily_new=(100, *[0] * 13))
    assert traffic.units_by(365) == 100
    assert Traffic(daily_new=(0,) * 14).units_by(28) == 0


def test_returning_users_are_forecast_within_an_eighth_where_a_constant_rate_is_half_too_many() -> None:
    rng = np.random.default_rng(5)
    first = (rng.exponential(1, 40_000) / rng.gamma(0.5, 0.2, 40_000)).astype(int)
    new = np.bincount(first[first < 28], minlength=28).tolist()
    traffic = Traffic(daily_new=tuple(new[:14]))
    assert traffic.units_by(28) == pytest.approx(sum(new), rel=0.125)
    assert 2 * sum(new[:14]) > 1.5 * sum(new)


@given(traffics, st.integers(1, 200))
def test_arrivals_never_fall_and_are_those_of_each_day(traffic: Traffic, days: int) -> None:
    arrivals = traffic.arrivals(days)
    assert len(arrivals) == days
    assert all(later >= earlier for earlier, later in pairwise((0.0, *arrivals)))
    assert arrivals[-1] == traffic.units_by(days)
    assert arrivals[-1] <= max(sum(traffic.daily_new), days / len(traffic.daily_new) * sum(traffic.daily_new)) + 0.5


@given(traffics, st.integers(0, 120), st.booleans(), st.floats(0.02, 2))
def test_the_run_time_is_the_first_day_whose_effect_is_small_enough(
    traffic: Traffic, max_days: int, whole_weeks: bool, rel_effect: float
) -> None:
    took = run_time(REVENUE, rel_effect, Design(), traffic, max_days, whole_weeks=whole_weeks)
    step = 7 if whole_weeks else 1
    enough = [day for day in range(step, max_days + 1, step) if traffic.units_by(day) >= took.units]
    assert took.days == (enough[0] if enough else None)
    assert took.reasons == (() if enough else (Reason.TOO_FEW_UNITS,))
    if took.days:
        assert took.extrapolated == (took.days > len(traffic.daily_new))
        assert smallest_effect(REVENUE, Design(), traffic, took.days).rel_effect <= rel_effect


@given(baselines | shares, designs, traffics, st.integers(0, 40))
def test_the_curve_falls_and_ends_at_the_smallest_effect_of_its_window(
    baseline: Baseline, design: Design, traffic: Traffic, days: int
) -> None:
    curve = effect_curve(baseline, design, traffic, days)
    assert [point.day for point in curve] == list(range(1, days + 1))
    known = [point.effect for point in curve if not math.isnan(point.effect)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(known))
    if curve:
        last = smallest_effect(baseline, design, traffic, days)
        assert (curve[-1].units, curve[-1].effect) == pytest.approx((last.units, last.effect), nan_ok=True)


def test_no_recorded_traffic_gives_no_day_and_a_reason() -> None:
    nothing = Traffic(daily_new=())
    assert math.isnan(nothing.units_by(5))
    assert smallest_effect(REVENUE, Design(), nothing, 5).reasons == (Reason.MISSING,)
    assert math.isnan(effect_curve(REVENUE, Design(), nothing, 5)[-1].effect)
    took = run_time(REVENUE, 0.1, Design(), nothing, 30)
    assert (took.days, took.reasons) == (None, (Reason.MISSING,))
