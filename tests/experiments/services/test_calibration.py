"""The A/A self-check of every metric: which methods, which units, what is stored and what the badge is."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from django.db import IntegrityError, transaction

from experiments.contracts import Calibration, PlannedArm, Reason, Role, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.models import CalibrationRecord, Metric
from experiments.services import lifecycle
from experiments.services.calibration import (
    Recent,
    calibrate_method,
    capped,
    latest_calibrations,
    methods_of,
    recalibrate,
)
from experiments.services.lifecycle import Draft
from experiments.stats.calibration import Method
from tests.experiments.queries.events_table import COLUMNS, START, DuckDBWarehouse, row

pytestmark = pytest.mark.django_db

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
RECENT = Recent(end=START + timedelta(days=28), lake_version=3, code_version="1")
SPEND = {
    "key": "spend",
    "name": "Spend",
    "kind": "mean",
    "numerator": [{"event": "Order Completed", "value": True}],
    "winsor": 0.99,
    "covariate_days": 14,
}


@pytest.fixture(scope="module")
def warehouse() -> DuckDBWarehouse:
    """1,500 users who see and click, 600 of them buy, and bought before; five answer a survey."""
    rng = np.random.default_rng(4)
    rows = []
    for number in range(1_500):
        user = f"u{number}"
        views = int(rng.geometric(0.2))
        rows += [row(user, "Promotion Viewed", 1 + hour, ranking=f"{user}/{hour}") for hour in range(views)]
        rows += [row(user, "Promotion Clicked", 1 + hour) for hour in range(rng.binomial(views, 0.3))]
        if number % 5 < 2:
            rows += [
                row(user, "Order Completed", hour, value=int(rng.lognormal(7, 1)), currency="CNY")
                for hour in (-100, 50 + number % 60)
            ]
        if number < 5:
            rows.append(row(user, "Survey Answered", 60, value=number))
    warehouse = DuckDBWarehouse(rows[:1])
    warehouse.connection.register("others", pd.DataFrame(rows[1:], columns=list(COLUMNS)))
    warehouse.connection.execute("INSERT INTO events SELECT * FROM others")
    return warehouse


def check(warehouse: DuckDBWarehouse, recent: Recent = RECENT, **options: object) -> dict[tuple[str, str], Calibration]:
    recalibrate(warehouse, recent, **({"runs": 200} | options))
    return {
        (record.metric_key, record.method): record for record in CalibrationRecord.objects.filter(unit=Unit.USER.value)
    }


def test_every_metric_with_data_is_checked_by_every_method_it_asks_for(warehouse):
    Metric.objects.create(key="spend", definition=SPEND)
    records = check(warehouse)
    plain = {"ctr", "conversion", "post-click-conversion", "revenue", "average-order-value", "response-rate"}
    assert set(records) == {(key, "plain") for key in plain | {"returns", "satisfaction"}} | {
        ("revenue-capped", "plain"),
        ("revenue-capped", "capped"),
        ("spend", "plain"),
        ("spend", "capped"),
        ("spend", "adjusted"),
    }
    ctr = records["ctr", "plain"]
    assert (ctr.units, ctr.runs, ctr.days, ctr.lake_version, ctr.code_version) == (1_500, 200, 28, 3, "1")
    assert 0 < ctr.false_positives < 0.12
    assert ctr.reasons == []


def test_what_too_few_units_did_has_a_reason_and_no_figures(warehouse):
    record = check(warehouse)["response-rate", "plain"]
    assert (record.false_positives, record.coverage, record.uniformity_p, record.passed) == (None, None, None, False)
    assert record.reasons == ["TOO_FEW_UNITS"]
    badge = latest_calibrations()["response-rate"]
    assert badge.reasons == (Reason.TOO_FEW_UNITS,)
    assert math.isnan(badge.false_positives)


def test_the_same_lake_version_gives_the_same_figures_and_replaces_the_rows(warehouse):
    first = check(warehouse)["ctr", "plain"]
    second = check(warehouse)["ctr", "plain"]
    assert second.pk == first.pk
    assert second.uniformity_p == first.uniformity_p
    assert second.computed_at > first.computed_at
    other = {record.uniformity_p for record in recalibrate(warehouse, replace(RECENT, lake_version=4), runs=200)}
    assert first.uniformity_p not in other
    assert CalibrationRecord.objects.filter(metric_key="ctr").count() == 2


def test_only_the_newest_check_counts(warehouse):
    check(warehouse)
    assert set(latest_calibrations()) >= {"ctr", "revenue"}
    recalibrate(DuckDBWarehouse([row("ann", "Promotion Viewed", 1)]), replace(RECENT, lake_version=4), runs=200)
    assert set(latest_calibrations()) == {"ctr"}


def test_without_events_nothing_is_stored(warehouse):
    nothing = replace(RECENT, end=START - timedelta(days=300))
    assert recalibrate(warehouse, nothing) == ()
    assert latest_calibrations() == {}


def test_fewer_days_and_a_limit_leave_units_out(warehouse):
    assert check(warehouse, replace(RECENT, limit=400))["ctr", "plain"].units == 400
    short = replace(RECENT, end=START + timedelta(hours=70), days=1)
    buyers = {number for number in range(1_500) if number % 5 < 2 and 46 <= 50 + number % 60 < 70}
    assert check(warehouse, short)["revenue", "plain"].units == len(buyers | set(range(5)))


def test_progress_counts_metrics_and_methods(warehouse):
    Metric.objects.create(key="spend", definition=SPEND)
    seen: list[tuple[int, int]] = []
    check(warehouse, progress=lambda done, total: seen.append((done, total)))
    total = sum(len(methods_of(metric)) for metric in BUILTIN_METRICS) + 3
    assert seen == [(done, total) for done in range(total + 1)]


def test_covariates_that_an_experiment_gives_its_metrics_are_checked_too(warehouse):
    start("adjusted", covariate_days=21)
    records = check(warehouse)
    assert ("revenue", "adjusted") in records
    assert ("ctr", "adjusted") in records
    assert records["revenue", "adjusted"].units == 1_500


def test_the_units_of_experiments_on_impressions_are_impressions(warehouse):
    start("impressions", unit=Unit.IMPRESSION)
    records = recalibrate(warehouse, RECENT, runs=200)
    assert {record.unit for record in records} == {"impression"}
    assert set(latest_calibrations(unit=Unit.IMPRESSION)) == {"ctr"}
    assert latest_calibrations() == {}
    start("users")
    recalibrate(warehouse, RECENT, runs=200)
    assert "ctr" in latest_calibrations()
    assert latest_calibrations()["ctr"].units < latest_calibrations(unit=Unit.IMPRESSION)["ctr"].units


def start(key: str, **changes: object) -> None:
    arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
    lifecycle.create(Draft(key=key, name=key, arms=arms, metrics=(("ctr", Role.PRIMARY),), currency="CNY", **changes))
    lifecycle.start(key, at=START)


def test_the_badge_is_that_of_the_method_behind_the_headline(warehouse):
    Metric.objects.create(key="spend", definition=SPEND)
    check(warehouse)
    assert latest_calibrations()["spend"].method == "adjusted"
    assert latest_calibrations()["ctr"].method == "plain"
    spend = replace(METRICS["revenue"], key="spend")
    by_definition = {
        method: latest_calibrations([definition])["spend"].method
        for method, definition in {
            "plain": spend,
            "capped": replace(spend, winsor=0.99),
            "adjusted": replace(spend, winsor=0.99, covariate_days=14),
        }.items()
    }
    assert by_definition == {"plain": "plain", "capped": "capped", "adjusted": "adjusted"}
    assert latest_calibrations([replace(METRICS["ctr"], covariate_days=7)]) == {}
    assert latest_calibrations([METRICS["returns"], replace(METRICS["ctr"], key="unknown")]).keys() == {"returns"}


def test_methods_are_in_the_order_of_what_they_add():
    metric = METRICS["revenue"]
    assert methods_of(metric) == (Method.PLAIN,)
    assert methods_of(replace(metric, winsor=0.99)) == (Method.PLAIN, Method.CAPPED)
    assert methods_of(replace(metric, winsor=0.99, covariate_days=7)) == (
        Method.PLAIN,
        Method.CAPPED,
        Method.ADJUSTED,
    )


def test_a_cap_is_a_quantile_of_the_values_that_are_not_0():
    values = np.r_[np.zeros(900), np.arange(1.0, 101.0)]
    assert capped(values, 0.99).max() == 99
    assert capped(values, 0.5).max() == 50
    assert capped(np.zeros(10), 0.99).tolist() == [0.0] * 10


def test_a_capped_metric_is_judged_by_its_capped_values():
    spend = np.exp(np.random.default_rng(2).normal(0, 2.5, (1, 3_000)))
    metric = replace(METRICS["revenue"], winsor=0.99)
    raw, cut = (
        calibrate_method(metric, method, spend, seed=(1, Unit.USER), runs=1_000)
        for method in (Method.PLAIN, Method.CAPPED)
    )
    assert not raw.passed
    assert cut.passed


def test_the_database_keeps_a_badge_without_figures_out(warehouse):
    record = recalibrate(warehouse, RECENT, runs=200)[0]
    record.pk, record.method, record.passed, record.false_positives = None, "capped", True, None
    with pytest.raises(IntegrityError), transaction.atomic():
        record.save()
