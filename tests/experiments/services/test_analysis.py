"""From events to a frozen report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from experiments.contracts import PlannedArm, Role, Severity, Source, Stopping
from experiments.errors import IllegalTransition
from experiments.models import Analysis
from experiments.rendering import thaw
from experiments.selectors import experiment_detail, experiment_summaries
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
