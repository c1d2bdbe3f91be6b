"""What a registered plan makes of the log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.contracts import Correction, PlannedArm, Reason, Role, Source, Stopping
from experiments.models import CalibrationRecord
from experiments.rendering import thaw
from experiments.services import lifecycle
from experiments.services.analysis import analyze, settings_of
from experiments.services.lifecycle import Draft
from tests.experiments.queries.events_table import START, DuckDBWarehouse, row

pytestmark = pytest.mark.django_db

DRAFT = Draft(
    key="exp",
    name="Coupons",
    arms=(PlannedArm(key="control"), PlannedArm(key="treatment")),
    metrics=(("revenue", Role.PRIMARY), ("returns", Role.GUARDRAIL), ("revenue-capped", Role.SECONDARY)),
    currency="CNY",
    planned_units=1_000,
    margins={"returns": 0.1},
    covariate_days=14,
    segments=("plan",),
    prior_sd=0.1,
)
DAY = 24


def log(users: int):
    """Each user bought before exposure, more after it; treatment buys 30 % more."""
    rows = []
    for number in range(users):
        user, arm = f"u{number}", ("control", "treatment")[number % 2]
        taste, start = 100 + (number * 37) % 400, 1 + number * 0.5
        plan = ("gold", "basic")[number // 2 % 2]
        rows += [
            row(user, "Order Completed", start - 50, value=taste, currency="CNY"),
            row(user, "Experiment Viewed", start, arm=arm, properties=f'{{"plan": "{plan}"}}'),
            row(user, "Order Completed", start + 5, value=round(taste * (1.3 if number % 2 else 1)), currency="CNY"),
        ]
    return rows


@pytest.fixture
def running():
    lifecycle.create(DRAFT)
    return lifecycle.start("exp", at=START)


def look(experiment, users: int, version: int):
    source = Source(name="lake", lake_version=version, code_version="1")
    return thaw(analyze(experiment, DuckDBWarehouse(log(users)), source=source).report)


def test_the_report_is_adjusted_capped_split_by_segment_and_compared_with_the_plain_one(running):
    report = look(running, 400, 1)
    revenue, returns, capped = report.metrics
    assert revenue.metric.covariates == ("Revenue (14 d)",)
    assert revenue.reduction > 0.8
    assert revenue.comparisons[0].se < revenue.alternatives[0].comparisons[0].se / 2
    assert [one.name for one in revenue.alternatives] == ["unadjusted", "stratified"]
    assert [one.segment for one in revenue.segments[0].segments] == ["basic", "gold"]
    assert revenue.segments[0].dimension == "plan"
    assert returns.guardrails[0].margin == 0.1
    assert capped.correction is Correction.FALSE_DISCOVERY
    bought = sorted(one[7] for one in log(400)[2::3])
    assert capped.cap == bought[395]  # .99 of the 400 that paid, both arms together
    assert [one.name for one in capped.alternatives] == ["raw", "unadjusted"]
    assert revenue.posteriors[0].chance_to_beat > 0.9
    before = {finding.check: finding for finding in report.findings}["before"]
    assert "covariates: 2" in before.message.text  # those of returns do not vary


def test_every_look_that_happened_is_counted(running):
    first, second = look(running, 200, 1), look(running, 500, 2)
    assert first.looks.fractions == (0.2,)
    assert second.looks.fractions == (0.2, 0.5)
    assert (second.looks.units, second.looks.planned_units) == (500, 1_000)
    assert first.metrics[0].comparisons[0].critical > second.metrics[0].comparisons[0].critical > 2.9
    assert second.looks.days == pytest.approx((499 * 0.5 + 5) / DAY, rel=1e-6)


def test_the_same_look_again_is_the_same_analysis_and_a_new_self_check_gives_another(running):
    warehouse = DuckDBWarehouse(log(200))
    source = Source(name="lake", lake_version=1, code_version="1")
    first = analyze(running, warehouse, source=source)
    assert analyze(running, warehouse, source=source).pk == first.pk
    CalibrationRecord.objects.create(
        unit="user",
        metric_key="revenue",
        method="adjusted",
        computed_at=START,
        lake_version=1,
        code_version="1",
        days=28,
        runs=1_000,
        units=20_000,
        alpha=0.05,
        false_positives=0.05,
        coverage=0.95,
        uniformity_p=0.5,
        passed=True,
    )
    later = analyze(running, warehouse, source=source)
    assert later.pk != first.pk
    assert thaw(later.report).metrics[0].calibration.false_positives == 0.05


def test_units_without_the_time_to_respond_are_counted_and_left_out():
    lifecycle.create(replace(DRAFT, metrics=(("retention", Role.PRIMARY),), margins={}))
    experiment = lifecycle.start("exp", at=START)
    report = look(experiment, 1_000, 1)
    early = sum(arm.n for arm in report.metrics[0].arms)
    assert early == 338  # exposed two weeks before the last event or earlier: 1 + n / 2 ≤ 505.5 − 336 hours
    found = {finding.check: finding for finding in report.findings}["immature"]
    assert "have not had time to respond" in found.message.text


def test_a_plan_without_an_end_is_a_confidence_sequence_that_waits_for_enough_units():
    lifecycle.create(replace(DRAFT, planned_units=None))
    experiment = lifecycle.start("exp", at=START)
    assert settings_of(experiment).plan.stopping is Stopping.SEQUENCE
    few = look(experiment, 60, 1).metrics[0].comparisons[0]
    assert few.reasons == (Reason.TOO_EARLY,)
    assert look(experiment, 400, 2).metrics[0].comparisons[0].critical > 2.5
