"""From events to a frozen report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from experiments.contracts import Action, DecisionRule, Kind, PlannedArm, Role, Severity, Source, Stopping
from experiments.errors import IllegalTransition
from experiments.models import Analysis, CalibrationRecord, Metric
from experiments.rendering import thaw
from experiments.selectors import experiment_detail, experiment_summaries, find_experiment
from experiments.services import lifecycle
from experiments.services.analysis import analyze, settings_of
from experiments.services.evidence import totals_of
from experiments.services.lifecycle import Draft
from tests.experiments.queries.events_table import ROWS, START, DuckDBWarehouse, row

pytestmark = pytest.mark.django_db

DRAFT = Draft(
    key="exp",
    name="Home banner",
    arms=(PlannedArm(key="control"), PlannedArm(key="treatment")),
    metrics=(("ctr", Role.PRIMARY), ("revenue", Role.SECONDARY)),
    currency="CNY",
    stopping=Stopping.ONCE,
)
SOURCE = Source(name="lake", lake_version=3, code_version="1")


@pytest.fixture
def experiment():
    lifecycle.create(DRAFT)
    lifecycle.start("exp", at=START)
    return lifecycle.stop("exp", at=START + timedelta(days=30))


def test_the_report_has_the_numbers_counted_by_hand(experiment):
    report = thaw(analyze(experiment, DuckDBWarehouse(), source=SOURCE).report)
    ctr, revenue = report.metrics
    assert [(arm.arm, arm.n, arm.numerator, arm.denominator) for arm in ctr.arms] == [
        ("control", 3, 1, 4),
        ("treatment", 3, 2, 3),
    ]
    assert ctr.comparisons[0].effect == pytest.approx(2 / 3 - 1 / 4)
    assert [arm.mean for arm in revenue.arms] == [pytest.approx(200 / 3), 100.0]
    first, last = START + timedelta(hours=1), START + timedelta(hours=2 + 9 * 24)
    assert report.source == replace(SOURCE, first_event=first, last_event=last)


def test_what_is_left_out_is_counted_on_the_report(experiment):
    report = thaw(analyze(experiment, DuckDBWarehouse(), source=SOURCE).report)
    assert {exclusion.code: exclusion.count for exclusion in report.exclusions} == {
        "OUTSIDE_DATES": 1,
        "TWO_ARMS": 1,
        "OTHER_CURRENCY": 1,
    }
    assert report.exclusions[0].message.text == "Exposures outside the dates of the experiment: 1."


def test_an_arm_that_nobody_planned_is_a_finding(experiment):
    rows = (*ROWS, row("zoe", "Experiment Viewed", 2, arm="blue"))
    report = thaw(analyze(experiment, DuckDBWarehouse(rows), source=SOURCE).report)
    found = {finding.check: finding for finding in report.findings if finding.severity is not Severity.OK}
    assert "blue" in found["unknown_arms"].message.text


def test_no_events_at_all_give_a_report_without_numbers(experiment):
    report = thaw(analyze(experiment, DuckDBWarehouse(ROWS[-1:]), source=SOURCE).report)
    assert [arm.n for arm in report.metrics[0].arms] == [0, 0]
    assert any(finding.severity is Severity.FAILURE for finding in report.findings)


def test_the_same_input_gives_the_analysis_that_exists(experiment):
    first = analyze(experiment, DuckDBWarehouse(), source=SOURCE)
    assert analyze(experiment, DuckDBWarehouse(), source=SOURCE).pk == first.pk
    later = analyze(experiment, DuckDBWarehouse(), source=replace(SOURCE, lake_version=4))
    assert later.pk != first.pk
    assert later.report["metrics"] == first.report["metrics"]
    assert experiment_detail("exp").latest == later


REGISTERED = replace(
    DRAFT,
    metrics=(("returns", Role.GUARDRAIL), ("retention", Role.SECONDARY), ("ctr", Role.PRIMARY)),
    alpha=0.1,
    planned_units=20,
    stopping=Stopping.SPENDING,
    if_unsettled=Action.SHIP,
    strict_guardrails=True,
    margins={"returns": 0.2},
    covariate_days=7,
    prior_sd=0.05,
    segments=("country", "device"),
)


def test_what_was_registered_is_what_is_analysed():
    lifecycle.create(REGISTERED)
    settings = settings_of(lifecycle.start("exp", at=START))
    plan = settings.plan
    assert (plan.alpha, plan.stopping, plan.planned_units, plan.prior_sd) == (0.1, Stopping.SPENDING, 20, 0.05)
    assert plan.rule == DecisionRule(if_unsettled=Action.SHIP, strict_guardrails=True)
    assert not plan.complete
    assert [(one.key, one.margin, one.covariates) for one in plan.metrics] == [
        ("ctr", None, ("CTR (7 d)", "CTR denominator (7 d)")),
        ("returns", 0.2, ("Return rate (7 d)", "Return rate denominator (7 d)")),
        ("retention", None, ("Retention, second week (7 d)",)),
    ]
    assert [one.covariate_days for one in settings.metrics] == [7, 7, 7]
    assert (settings.scope.segments, settings.scope.end) == (("country", "device"), None)
    assert settings_of(lifecycle.stop("exp", at=START + timedelta(days=9))).plan.complete


def test_a_metric_keeps_its_own_covariates_and_a_quantile_has_none():
    total = {"kind": "mean", "numerator": [{"event": "Order Completed", "value": True}]}
    Metric.objects.create(key="own", definition={"key": "own", "name": "Own", "covariate_days": 28, **total})
    median = {"key": "median", "name": "Median", **total, "kind": Kind.QUANTILE.value, "quantile": 0.5}
    Metric.objects.create(key="median", definition=median)
    metrics = (("own", Role.PRIMARY), ("median", Role.SECONDARY))
    lifecycle.create(replace(DRAFT, metrics=metrics, covariate_days=7))
    settings = settings_of(lifecycle.start("exp", at=START))
    assert [one.covariate_days for one in settings.metrics] == [28, None]
    assert [one.covariates for one in settings.plan.metrics] == [("Own (28 d)",), ()]


def looks(version: int, users: int, code_version: str = "1") -> tuple[float, ...]:
    rows = [
        row(f"u{number}", "Experiment Viewed", 1, arm=("control", "treatment")[number % 2]) for number in range(users)
    ]
    source = Source(name="lake", lake_version=version, code_version=code_version)
    report = thaw(analyze(find_experiment("exp"), DuckDBWarehouse(rows), source=source).report)
    return report.looks.fractions


def test_a_look_counts_once_and_only_those_before_it():
    lifecycle.create(REGISTERED)
    lifecycle.start("exp", at=START)
    assert looks(1, 4) == (0.2,)
    assert looks(3, 14) == (0.2, 0.7)
    assert looks(3, 14, code_version="2") == (0.2, 0.7)
    assert looks(2, 10) == (0.2, 0.5)
    assert looks(4, 26) == (0.2, 0.5, 0.7, 1.0)
    assert looks(1, 4) == (0.2,)


def test_nobody_in_the_log_is_no_look():
    lifecycle.create(REGISTERED)
    lifecycle.start("exp", at=START)
    assert looks(1, 0) == ()
    assert looks(2, 6) == (0.3,)


def checked(metric: str, *, false_positives: float = 0.05, lake_version: int = 3) -> None:
    CalibrationRecord.objects.create(
        unit="user",
        metric_key=metric,
        method="plain",
        computed_at=START + timedelta(days=lake_version),
        lake_version=lake_version,
        code_version="1",
        days=28,
        runs=1_000,
        units=20_000,
        alpha=0.05,
        false_positives=false_positives,
        coverage=0.95,
        uniformity_p=0.5,
        passed=True,
    )


def test_a_new_analysis_follows_a_self_check_with_other_figures_of_its_own_metrics(experiment):
    def analysed() -> Analysis:
        return analyze(experiment, DuckDBWarehouse(), source=SOURCE)

    first = analysed()
    checked("ctr")
    second = analysed()
    assert (first.pk == second.pk, first.settings_digest == second.settings_digest) == (False, False)
    assert first.settings == second.settings
    assert analysed() == second
    CalibrationRecord.objects.all().delete()
    assert analysed() == first
    checked("returns")
    assert analysed() == first
    CalibrationRecord.objects.all().delete()
    checked("ctr", lake_version=4)
    assert analysed() == second
    CalibrationRecord.objects.all().delete()
    checked("ctr", false_positives=0.06)
    third = analysed()
    assert third.pk not in (first.pk, second.pk)
    assert thaw(third.report).metrics[0].calibration.false_positives == 0.06


def test_what_is_registered_is_part_of_the_digest():
    digests = set()
    changes = (
        {},
        {"alpha": 0.05},
        {"covariate_days": 14},
        {"segments": ("device",)},
        {"margins": {"returns": 0.3}},
        {"prior_sd": None},
        {"if_unsettled": Action.ROLL_BACK},
        {"planned_units": 30},
    )
    for change in changes:
        lifecycle.create(replace(REGISTERED, **change))
        experiment = lifecycle.start("exp", at=START)
        digests.add(analyze(experiment, DuckDBWarehouse(), source=SOURCE).settings_digest)
        experiment.delete()
    assert len(digests) == len(changes)


def test_progress_ends_at_the_whole(experiment):
    seen: list[tuple[int, int]] = []
    analyze(experiment, DuckDBWarehouse(), source=SOURCE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 1), (1, 1)]


def test_more_rows_are_read_in_more_slices_that_cover_every_bucket(experiment):
    warehouse, settings = DuckDBWarehouse(), settings_of(experiment)
    seen: list[tuple[int, int]] = []
    sliced = totals_of(
        settings.scope,
        settings.metrics,
        warehouse,
        rows=100_000_000,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (16, 16)
    assert sliced == totals_of(settings.scope, settings.metrics, warehouse, rows=10)


def test_a_draft_cannot_be_analysed():
    experiment = lifecycle.create(DRAFT)
    with pytest.raises(IllegalTransition, match="exp has not started"):
        analyze(experiment, DuckDBWarehouse(), source=SOURCE)


def test_the_list_of_experiments_takes_two_queries(experiment, django_assert_num_queries):
    analyze(experiment, DuckDBWarehouse(), source=SOURCE)
    lifecycle.create(replace(DRAFT, key="another"))
    with django_assert_num_queries(2):
        rows = experiment_summaries()
    assert [(summary.key, summary.arm_count, summary.report is None) for summary in rows] == [
        ("another", 2, True),
        ("exp", 2, False),
    ]
    assert Analysis.objects.count() == 1
