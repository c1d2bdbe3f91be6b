"""``winnow calibrate``: the table, the JSON, and leaving it to a worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.models import CalibrationRecord
from winnow.calibrate import _lines
from winnow.celery import app
from winnow.cli import main
from winnow.events.ingest import ingest
from winnow.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def lake(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"


@pytest.fixture
def events():
    """800 users, of whom many join a campaign and twenty buy."""
    rng = np.random.default_rng(2)
    joins = rng.poisson(1, 800)
    names = [(user, "Promotion Joined", {}) for user in range(800) for _ in range(joins[user])]
    names += [(user, "Promotion Viewed", {}) for user in range(800)]
    names += [(user, "Order Completed", {"value": 100 + user, "currency": "EUR"}) for user in range(20)]
    ingest(
        {
            "event": name,
            "messageId": f"m{number}",
            "userId": f"u{user}",
            "timestamp": "2026-05-04T11:00:00Z",
            "properties": properties,
        }
        for number, (user, name, properties) in enumerate(names)
    )


def calibrate(*options: str):
    return CliRunner().invoke(main, ["calibrate", *options])


def test_the_table_says_what_was_measured_and_which_metrics_have_too_few_units(events):
    done = calibrate()
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines() if line]
    lines = {row[0]: row for row in rows}
    assert lines["metric"][:2] == ["metric", "method"]
    assert lines["participations"][1:3] == ["plain", "800"]
    assert lines["participations"][-1] == "passed"
    assert lines["revenue"][1:] == ["plain", "800", "–", "–", "–", "TOO_FEW_UNITS"]
    assert "of 3.30% to 6.90%" in done.stdout
    assert done.stdout.splitlines()[-1] == "All 2 passed."
    assert "checking" in done.stderr
    assert CalibrationRecord.objects.count() == len(rows) - 3


def test_the_json_has_null_where_there_is_no_badge(events):
    done = calibrate("--format", "json", "--runs", "1200", "--days", "7")
    assert done.exit_code == 0, done.output
    found = {one["metric"]: one for one in json.loads(done.stdout)}
    assert (found["revenue"]["passed"], found["revenue"]["coverage"]) == (None, None)
    assert found["revenue"]["reasons"] == ["TOO_FEW_UNITS"]
    joined = found["participations"]
    assert (joined["passed"], joined["runs"], joined["days"], joined["units"]) == (True, 1_200, 7, 800)
    assert 0.03 < joined["false_positives"] < 0.07


def test_without_events_there_is_nothing_to_check():
    done = calibrate()
    assert (done.exit_code, done.stdout) == (0, "There are no events to check the statistics with.\n")
    assert json.loads(calibrate("--format", "json").stdout) == []


def test_a_worker_can_be_asked_instead(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda name, args, retry: None)
    done = calibrate("--no-wait")
    assert done.exit_code == 0, done.output
    job = Job.objects.get(kind="calibrate")
    assert done.stdout == f"job {job.pk} is queued; a worker of `winnow up` does it\n"
    refused = calibrate("--no-wait", "--runs", "2000")
    assert refused.exit_code == 1
    assert "takes no other option" in refused.output


def test_fewer_than_a_thousand_runs_are_refused():
    done = calibrate("--runs", "999")
    assert done.exit_code == 2
    assert "999" in done.output


def test_a_failed_badge_is_named_and_is_no_error():
    lines = _lines([record("ctr"), record("spend", passed=False), record("clicks", unit="impression")], 1_000, 28)
    assert lines[-1] == "1 of 3 failed: spend (plain). See docs/statistics/calibration-check.md."
    assert [line.split()[-1] for line in lines[1:4]] == ["passed", "FAILED", "passed"]
    assert lines[3].startswith("clicks (by impression)")


def test_a_check_that_no_metric_could_answer_says_so():
    assert _lines([record("ctr", reasons=["NO_VARIANCE"])], 1_000, 28)[-1] == "No metric has enough units yet."


def record(key: str, **changes: object) -> CalibrationRecord:
    values = {"passed": True, "reasons": [], "unit": "user"} | changes
    return CalibrationRecord(
        metric_key=key,
        method="plain",
        computed_at=datetime(2026, 5, 4, tzinfo=UTC),
        lake_version=1,
        days=28,
        runs=1_000,
        units=5_000,
        alpha=0.05,
        false_positives=0.05,
        coverage=0.95,
        uniformity_p=0.4,
        **values,
    )
