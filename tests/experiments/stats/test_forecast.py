"""A plan on known traffic: units, days, looks and what each length can show."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from experiments.contracts import Kind, Reason, Stopping
from experiments.errors import InvalidInput
from experiments.stats.forecast import MOST_DAYS, Forecast
from experiments.stats.planning import Baseline, Design, detectable_effect, sample_size
from experiments.stats.traffic import Traffic, run_time

REVENUE = Baseline(mean=10.0, var=400.0)
CONVERSION = Baseline(mean=0.05, var=0.0475, kind=Kind.PROPORTION)
STEADY = Traffic(daily_new=(2500,) * 28)


def forecast(stopping: Stopping = Stopping.ONCE, **changes: object) -> Forecast:
    values = {"baseline": REVENUE, "traffic": STEADY, "design": Design(), "stopping": stopping} | changes
    return Forecast(**values)


def test_one_look_needs_what_statsmodels_says() -> None:
    per_arm = TTestIndPower().solve_power(effect_size=0.5 / 20, alpha=0.05, power=0.8)
    found = forecast().target(rel_effect=0.05)
    assert found.arms == (math.ceil(per_arm),) * 2
    assert (found.units, found.effect, found.inflation, found.looks) == (2 * math.ceil(per_arm), 0.5, 1.0, 1)


def test_the_run_time_is_that_of_the_traffic() -> None:
    found = forecast().target(rel_effect=0.05)
    expected = run_time(REVENUE, 0.05, Design(), STEADY, MOST_DAYS)
    assert (found.days, found.units) == (expected.days, expected.units)
    assert (found.days, found.whole_weeks, found.extrapolated) == (21, 21, False)
    assert forecast(traffic=Traffic(daily_new=(2500,) * 14)).target(rel_effect=0.05).extrapolated


def test_an_absolute_effect_and_the_same_relative_one_need_the_same() -> None:
    assert forecast(Stopping.SPENDING).target(effect=0.5) == forecast(Stopping.SPENDING).target(rel_effect=0.05)


def test_daily_looks_need_more_units_and_their_factor_holds_for_the_days_they_take() -> None:
    found = forecast(Stopping.SPENDING).target(rel_effect=0.05)
    size = sample_size(REVENUE, Design(inflation=found.inflation), rel_effect=0.05)
    assert found.units == size.units
    assert found.inflation == pytest.approx(1.047, abs=0.001)
    assert (found.days, found.looks) == (22, 21)  # the 21st day holds 99.8 % of the units, the 22nd all


def test_a_unit_that_comes_too_late_to_respond_does_not_count() -> None:
    waiting = forecast(wait_days=14)
    found = waiting.target(rel_effect=0.05)
    assert (found.days, found.whole_weeks) == (35, 35)
    assert not found.extrapolated
    assert waiting.point(35).units == forecast().point(21).units
    assert waiting.point(35).effect == forecast().point(21).effect
    assert waiting.point(14).reasons == (Reason.NO_UNITS,)


def test_a_point_is_the_smallest_effect_of_the_units_that_have_come() -> None:
    point = forecast().point(10)
    found = detectable_effect(REVENUE, 25_000, Design())
    assert (point.units, point.effect, point.rel_effect) == (25_000, found.effect, found.rel_effect)
    assert math.isnan(point.power)
    assert forecast().point(10, effect=found.effect).power == pytest.approx(0.8)
    assert forecast().point(29).extrapolated
    assert not forecast().point(28).extrapolated


@pytest.mark.parametrize("stopping", Stopping)
def test_at_the_end_of_the_planned_run_the_effect_can_be_shown(stopping: Stopping) -> None:
    plan = forecast(stopping, traffic=Traffic(daily_new=(6000,) * 28))
    found = plan.target(rel_effect=0.05)
    assert found.days is not None
    assert plan.point(found.days).rel_effect <= 0.05 * 1.002  # looks of the units that came, not of those planned
    assert plan.point(found.days - 1).rel_effect > 0.05 * 0.998


def test_a_sequence_does_not_end_before_it_may_be_read() -> None:
    plan = forecast(Stopping.SEQUENCE, design=Design(weights=(2.0, 1.0)))
    assert plan.target(rel_effect=30.0).arms == (200.0, 100.0)
    rare = replace(plan, baseline=CONVERSION, design=Design())
    assert rare.target(rel_effect=10.0).arms == (400.0, 400.0)  # twenty conversions
    few = replace(rare, traffic=Traffic(daily_new=(300,) * 28))
    assert few.point(2).reasons == (Reason.TOO_EARLY,)
    assert math.isnan(few.point(2).effect)
    assert few.point(3).reasons == ()


def test_what_takes_more_than_a_year_has_units_and_no_days() -> None:
    found = forecast(Stopping.SPENDING, traffic=Traffic(daily_new=(10,) * 28)).target(rel_effect=0.05)
    assert (found.days, found.whole_weeks, found.reasons) == (None, None, (Reason.TOO_FEW_UNITS,))
    assert (found.looks, found.units > 50_000) == (50, True)
    late = forecast(wait_days=MOST_DAYS).target(rel_effect=0.05)
    assert late.reasons == (Reason.TOO_FEW_UNITS,)


def test_no_traffic_reaches_nothing() -> None:
    none = forecast(traffic=Traffic(daily_new=(0,) * 28))
    assert none.target(rel_effect=0.05).reasons == (Reason.TOO_FEW_UNITS,)
    assert none.point(28).reasons == (Reason.NO_UNITS,)


def test_an_effect_beyond_all_shares_has_a_reason() -> None:
    found = forecast(baseline=CONVERSION).target(rel_effect=30.0)
    assert found.reasons == (Reason.UNBOUNDED,)
    assert math.isnan(found.units)
    assert all(map(math.isnan, found.arms))


def test_a_baseline_of_zero_has_absolute_effects_only() -> None:
    zero = forecast(baseline=Baseline(mean=0.0, var=1.0))
    assert zero.target(rel_effect=0.05).reasons == (Reason.ZERO_BASELINE,)
    absolute = zero.target(effect=0.05)
    assert (absolute.reasons, math.isnan(absolute.rel_effect)) == ((), True)
    assert zero.point(7).effect > 0
    assert zero.point(7).reasons == (Reason.ZERO_BASELINE,)


def test_a_baseline_that_is_not_known_says_why_everywhere() -> None:
    unknown = forecast(
        Stopping.SPENDING, baseline=Baseline(mean=math.nan, var=math.nan), reasons=(Reason.NO_DENOMINATOR,)
    )
    assert unknown.target(rel_effect=0.05).reasons == (Reason.NO_DENOMINATOR,)
    assert unknown.point(7, rel_effect=0.05).reasons == (Reason.NO_DENOMINATOR,)
    assert math.isnan(unknown.point(7, rel_effect=0.05).power)


@pytest.mark.parametrize("effects", [{}, {"effect": 0.0}, {"rel_effect": math.nan}, {"effect": 1.0, "rel_effect": 1.0}])
def test_an_effect_that_is_none_is_refused(effects: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="effect"):
        forecast().target(**effects)


JUDGED_AT_THE_END = st.sampled_from([Stopping.ONCE, Stopping.SEQUENCE])  # the bounds of daily looks take a second


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=30), st.floats(0.02, 0.5), JUDGED_AT_THE_END)
def test_the_days_are_the_first_ones_with_enough_units(new: list[int], rel_effect: float, stopping: Stopping) -> None:
    traffic = Traffic(daily_new=tuple(new))
    found = forecast(stopping, traffic=traffic).target(rel_effect=rel_effect)
    if found.days is None:
        assert traffic.units_by(MOST_DAYS) < found.units
    else:
        assert traffic.units_by(found.days) >= found.units
        assert traffic.units_by(found.days - 1) < found.units
        assert found.whole_weeks is not None
        assert 0 <= found.whole_weeks - found.days < 7
