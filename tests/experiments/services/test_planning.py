"""A plan from a log whose traffic, means and variances are known: every figure against another way to compute it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestIndPower

from experiments.contracts import Kind, Reason, Stopping, Unit
from experiments.errors import InvalidInput
from experiments.models import Metric
from experiments.services.planning import CURVE_DAYS, NO_EVENTS, Planned, plan, plan_to_json, recent_currency
from experiments.stats.forecast import Forecast
from experiments.stats.planning import Baseline, Design
from experiments.stats.traffic import Traffic
from tests.experiments.queries.events_table import COLUMNS, START, DuckDBWarehouse, row

pytestmark = pytest.mark.django_db

DAILY = tuple(max(400 - 30 * day, 40) for day in range(28))  # new users on each day
USERS = sum(DAILY)
BEFORE = 21.0  # days before the first day of the traffic, in which everybody bought once
SPEND = {
    "key": "spend",
    "name": "Spend",
    "kind": "mean",
    "numerator": [{"event": "Order Completed", "value": True}],
    "covariate_days": 60,
}


def loaded(rows) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(rows[:1])
    warehouse.connection.register("others", pd.DataFrame(rows[1:], columns=list(COLUMNS)))
    warehouse.connection.execute("INSERT INTO events SELECT * FROM others")
    return warehouse


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """One row per user: the day it came, whether it joined, what it spent, views and clicks, what it spent before."""
    rng = np.random.default_rng(7)
    before = rng.integers(100, 5_000, USERS)
    views = rng.integers(1, 6, USERS)
    return pd.DataFrame(
        {
            "user": [f"u{number}" for number in range(USERS)],
            "day": np.repeat(np.arange(28), DAILY),
            "joined": np.arange(USERS) % 8 == 0,
            "views": views,
            "clicks": rng.binomial(views, 0.3),
            "before": before,
            "spent": before + rng.integers(0, 3_000, USERS),
        }
    )


@pytest.fixture(scope="module")
def warehouse(people) -> DuckDBWarehouse:
    rows = []
    for one in people.itertuples():
        hour = 24.0 * one.day + 1
        rows += [row(one.user, "Promotion Viewed", hour, ranking=f"{one.user}/{view}") for view in range(one.views)]
        rows += [row(one.user, "Promotion Clicked", hour) for _ in range(one.clicks)]
        rows.append(row(one.user, "Order Completed", hour, value=int(one.spent), currency="CNY"))
        rows.append(row(one.user, "Order Completed", -24 * BEFORE, value=int(one.before), currency="CNY"))
        if one.joined:
            rows.append(row(one.user, "Promotion Joined", hour))
    rows.append(row("u0", "Order Completed", 2, value=77_777, currency="USD"))
    rows.append(row("u0", "Page Viewed", 28 * 24 - 1e-6 / 3600))  # the last event: 28 days end here
    return loaded(rows)


def asked(warehouse: DuckDBWarehouse, key: str = "participation", **options: object) -> Planned:
    return plan(warehouse, key, **({"stopping": Stopping.ONCE} | options))


def test_traffic_and_dates_are_those_of_the_days_before_the_newest_event(warehouse):
    found = asked(warehouse)
    assert (found.start, found.end) == (START, START + timedelta(days=28))
    assert found.forecast.traffic.daily_new == DAILY
    assert (found.units, found.days, found.currency) == (USERS, 28, "CNY")


def test_the_baseline_of_each_kind_is_that_of_the_users(warehouse, people):
    share = asked(warehouse, "participation").forecast.baseline
    assert share.mean == people.joined.mean()
    assert share.var == pytest.approx(people.joined.var(), rel=1e-12)
    spend = asked(warehouse, "revenue").forecast.baseline
    assert spend.mean == pytest.approx(people.spent.mean(), rel=1e-12)
    assert spend.var == pytest.approx(people.spent.var(), rel=1e-12)
    ratio = people.clicks.sum() / people.views.sum()
    linear = (people.clicks - ratio * people["views"]) / people["views"].mean()
    ctr = asked(warehouse, "ctr").forecast.baseline
    assert (ctr.kind, ctr.mean) == (Kind.RATIO, pytest.approx(ratio, rel=1e-12))
    assert ctr.var == pytest.approx(linear.var(), rel=1e-9)


def test_the_size_is_what_statsmodels_says_and_the_days_are_counted(warehouse, people):
    found = asked(warehouse, "revenue", rel_effect=0.05)
    size = 0.05 * people.spent.mean() / people.spent.std()
    per_arm = math.ceil(TTestIndPower().solve_power(effect_size=size, alpha=0.05, power=0.8))
    assert found.target.arms == (per_arm, per_arm)
    total = list(accumulate(DAILY))
    assert found.target.days == next(day for day, units in enumerate(total, 1) if units >= 2 * per_arm)
    assert found.target.effect == pytest.approx(0.05 * people.spent.mean())


def test_an_absolute_effect_is_in_minor_units(warehouse, people):
    found = asked(warehouse, "revenue", effect=150.0).target
    assert found.rel_effect == pytest.approx(150 / people.spent.mean())
    assert found.units == asked(warehouse, "revenue", rel_effect=150 / people.spent.mean()).target.units


def test_the_measured_reduction_is_the_squared_correlation_with_what_was_before(warehouse, people):
    found = asked(warehouse, "revenue", rel_effect=0.05, covariate_days=60)
    squared = people[["spent", "before"]].corr().iloc[0, 1] ** 2
    assert found.forecast.baseline.reduction == pytest.approx(squared, abs=0.001)
    plain = asked(warehouse, "revenue", rel_effect=0.05)
    assert plain.forecast.baseline.reduction == 0
    assert found.target.units == pytest.approx(plain.target.units * (1 - squared), rel=0.005)


def test_covariates_are_those_of_the_metric_unless_told(warehouse):
    Metric.objects.create(key="spend", definition=SPEND)
    own = asked(warehouse, "spend")
    assert own.metric.covariate_days == 60
    assert own.forecast.baseline.reduction == asked(warehouse, "revenue", covariate_days=60).forecast.baseline.reduction
    assert asked(warehouse, "spend", covariate_days=0).forecast.baseline.reduction == 0
    assert asked(warehouse, "spend", covariate_days=1).forecast.baseline.reduction == 0  # nothing happened on that day


def test_the_curve_has_its_days_and_the_one_that_was_asked_for(warehouse):
    found = asked(warehouse, days=10)
    assert [point.day for point in found.curve] == sorted({*CURVE_DAYS, 10})
    assert found.window == found.curve[1]
    assert found.window.units == sum(DAILY[:10])
    assert found.target is None
    assert [point.day for point in asked(warehouse).curve] == list(CURVE_DAYS)
    assert asked(warehouse).window is None
    effects = [point.effect for point in found.curve]
    assert effects == sorted(effects, reverse=True)
    assert [point.day for point in found.curve if point.extrapolated] == [42, 56]


def test_the_forecast_is_the_pure_one_on_what_was_measured(warehouse, people):
    design = Design(alpha=0.1, power=0.9, weights=(2.0, 1.0, 1.0))
    found = asked(warehouse, rel_effect=0.3, days=20, design=design, stopping=Stopping.SPENDING)
    baseline = Baseline(mean=people.joined.mean(), var=found.forecast.baseline.var, kind=Kind.PROPORTION)
    pure = Forecast(baseline=baseline, traffic=Traffic(daily_new=DAILY), design=design, stopping=Stopping.SPENDING)
    assert found.target == pure.target(rel_effect=0.3)
    assert found.window == pure.point(20, rel_effect=0.3)
    assert 0 < found.window.power < 1


def test_the_stopping_plan_gives_the_inflation_whatever_the_design_says(warehouse):
    factors = {
        stopping: asked(warehouse, rel_effect=0.2, stopping=stopping, design=Design(inflation=3.0)).target.inflation
        for stopping in Stopping
    }
    assert factors[Stopping.ONCE] == 1
    assert 1 < factors[Stopping.SPENDING] < 1.06
    assert factors[Stopping.SEQUENCE] == pytest.approx(1.915, abs=0.001)


def test_fewer_days_and_a_limit_measure_less(warehouse):
    found = asked(warehouse, recent_days=10, limit=300)
    assert found.forecast.traffic.daily_new == (*DAILY[18:-1], DAILY[-1] + 1)  # u0's last event is its first of these
    assert (found.units, found.days) == (300, 10)
    assert found.start == START + timedelta(days=18)


def test_a_log_of_few_days_is_measured_in_whole_days_from_its_end():
    rows = [row(f"u{number}", "Promotion Viewed", number / 2) for number in range(151)]  # 75 hours, two an hour
    found = asked(loaded(rows), "ctr")
    assert found.days == 3
    assert found.start == START + timedelta(hours=3, microseconds=1)
    assert found.forecast.traffic.daily_new == (48, 48, 48)


def test_a_log_of_less_than_a_day_is_one_day():
    found = asked(loaded([row(f"u{number}", "Promotion Viewed", number) for number in range(5)]), "ctr")
    assert (found.days, found.forecast.traffic.daily_new) == (1, (5,))


def test_a_metric_with_a_window_waits_for_it_and_measures_those_who_had_it(warehouse):
    found = asked(warehouse, "retention", days=20)
    assert (found.forecast.wait_days, found.units) == (14, sum(DAILY[:14]))
    assert found.window.units == sum(DAILY[:6])
    assert found.forecast.reasons == (Reason.NO_VARIANCE,)  # nobody came back
    assert found.window.reasons == (Reason.NO_VARIANCE,)


def test_capped_revenue_is_planned_capped(warehouse, people):
    capped = np.minimum(people.spent, np.sort(people.spent)[math.ceil(0.99 * USERS) - 1])
    assert asked(warehouse, "revenue-capped").forecast.baseline.var == pytest.approx(capped.var(), rel=1e-12)


def test_impressions_are_units_of_their_own(warehouse, people):
    found = asked(warehouse, "ctr", unit=Unit.IMPRESSION)
    assert (found.units, found.unit) == (people.views.sum(), Unit.IMPRESSION)


@pytest.mark.parametrize(
    ("key", "reason"), [("satisfaction", Reason.NO_DENOMINATOR), ("response-rate", Reason.NO_VARIANCE)]
)
def test_a_metric_without_its_events_has_a_reason_and_no_numbers(warehouse, key, reason):
    found = asked(warehouse, key, rel_effect=0.05, days=7, stopping=Stopping.SPENDING, covariate_days=7)
    assert found.forecast.reasons == found.target.reasons == found.window.reasons == (reason,)
    assert math.isnan(found.target.units)
    assert math.isnan(found.window.effect)
    assert found.target.days is None


def test_units_that_the_log_does_not_have_are_no_units():
    log = loaded([row("ann", "Promotion Viewed", 1), row("bob", "Promotion Viewed", 2)])
    found = asked(log, "ctr", unit=Unit.IMPRESSION, rel_effect=0.05)
    assert (found.units, found.forecast.traffic.daily_new, found.target.reasons) == (0, (0,), (Reason.NO_UNITS,))


def test_without_events_there_is_no_plan():
    empty = DuckDBWarehouse([row("ann", "Promotion Viewed", 1)])
    empty.connection.execute("DELETE FROM events")
    with pytest.raises(InvalidInput, match="events: there are none") as refused:
        asked(empty)
    assert str(refused.value) == f"events: {NO_EVENTS}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "particpation"}, "did you mean 'participation'"),
        ({"key": "sdfghj"}, "'sdfghj' is not defined; there are ctr, conversion"),
        ({"key": "slow"}, "metric: 'slow' must not be a quantile"),
        ({"days": 0}, "days: 0 must be 1 to 365"),
        ({"days": 366}, "days: 366 must be 1 to 365"),
        ({"recent_days": 0}, "recent_days: 0 must be 1 to 365"),
        ({"covariate_days": -1}, "covariate_days: -1 must be 0 to 365"),
        ({"rel_effect": 0.0}, "rel_effect: 0.0 must be a number other than 0"),
        ({"effect": math.inf}, "effect: inf must be a number other than 0"),
        ({"effect": 1.0, "rel_effect": 1.0}, "effect: give either"),
        ({"design": Design(weights=(1.0,) * 11)}, "arms: 11 must be at most 10"),
        ({"design": Design(alpha=1e-5)}, "alpha: 1e-05 must be at least 0.0001"),
        ({"design": Design(power=0.9999)}, "power: 0.9999 must be at most 0.999"),
    ],
)
def test_an_argument_that_breaks_a_rule_is_named(warehouse, options, said):
    definition = {"key": "slow", "name": "Slow", "kind": "quantile", "quantile": 0.9, "numerator": SPEND["numerator"]}
    Metric.objects.create(key="slow", definition=definition)
    with pytest.raises(InvalidInput) as refused:
        asked(warehouse, **options)
    assert said in str(refused.value)


def test_the_nearest_of_the_own_metrics_is_suggested_too(warehouse):
    Metric.objects.create(key="basket-value", definition=SPEND | {"key": "basket-value"})
    with pytest.raises(InvalidInput, match="did you mean 'basket-value'"):
        asked(warehouse, "basket-vale")


def test_the_currency_is_that_of_most_events(warehouse):
    assert recent_currency(warehouse) == "CNY"
    assert recent_currency(DuckDBWarehouse([row("ann", "Promotion Viewed", 1)])) == ""


def test_the_same_events_give_the_same_plan(warehouse):
    first, second = (asked(warehouse, "revenue", rel_effect=0.05, covariate_days=60) for _ in range(2))
    assert plan_to_json(first) == plan_to_json(second)


def test_the_json_is_strict_and_says_what_is_absent(warehouse):
    found = asked(warehouse, "satisfaction", rel_effect=0.05, days=7)
    plain = json.loads(json.dumps(plan_to_json(found), allow_nan=False))
    assert plain["baseline"]["mean"] is None
    assert plain["baseline"]["reasons"] == plain["target"]["reasons"] == ["NO_DENOMINATOR"]
    assert (plain["target"]["arms"], plain["window"]["effect"]) == ([None, None], None)


def test_the_json_has_the_figures(warehouse, people):
    found = asked(warehouse, "revenue", rel_effect=0.05, days=7)
    plain = json.loads(json.dumps(plan_to_json(found), allow_nan=False))
    assert plain["daily_new"] == list(DAILY)
    assert (plain["start"], plain["end"]) == ("2026-01-01T00:00:00+00:00", "2026-01-29T00:00:00+00:00")
    assert plain["baseline"]["mean"] == pytest.approx(people.spent.mean())
    assert plain["target"]["arms"] == list(found.target.arms)
    assert plain["design"] == {
        "alpha": 0.05,
        "power": 0.8,
        "weights": [1.0, 1.0],
        "level": 0.05,
        "stopping": "once",
        "wait_days": 0,
    }
    assert plain["curve"][0] == plain["window"]
    assert plan_to_json(replace(found, window=None))["window"] is None
