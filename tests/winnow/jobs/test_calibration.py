"""The A/A self-check as a job: one at a time, once a week, on the lake as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone

from experiments.models import CalibrationRecord
from winnow.celery import app
from winnow.events.ingest import ingest
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs import runner, tasks
from winnow.jobs.calibration import calibrate_lake, calibration_is_due, request_calibration
from winnow.jobs.models import Job, Kind, State

pytestmark = pytest.mark.django_db(transaction=True)

LAST = datetime(2026, 5, 4, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def lake(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """The ids of the jobs that a worker was told of."""
    ids: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, retry: ids.append(args[0]))
    return ids


def send_views_and_clicks(users: int = 600) -> None:
    """Users who see and click, an hour apart; the last event of all is a click of the first user."""
    rng = np.random.default_rng(1)
    names = [
        (user, name, LAST - timedelta(hours=1 + hour % 200))
        for user in range(users)
        for name, most in (("Promotion Viewed", 9), ("Promotion Clicked", 3))
        for hour in range(int(rng.integers(1, most)))
    ]
    names.append((0, "Promotion Clicked", LAST))
    names.append((0, "Promotion Clicked", LAST - timedelta(days=40)))
    ingest(
        {
            "event": name,
            "messageId": f"m{number}",
            "userId": f"u{user}",
            "timestamp": at.isoformat(),
        }
        for number, (user, name, at) in enumerate(names)
    )


def test_the_job_checks_what_is_in_the_inbox_and_shows_how_far_it_is(monkeypatch):
    send_views_and_clicks()
    job = request_calibration(requested_by="ann")
    steps: list[tuple[str, int]] = []
    report = Job.report_progress

    def watch(self: Job, done: int, total: int, *, step: str) -> None:
        steps.append((step, done))
        report(self, done, total, step=step)

    monkeypatch.setattr(Job, "report_progress", watch)
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    assert (job.state, job.error, job.percent, job.requested_by) == (State.DONE, "", 100, "ann")
    assert steps == [("compact", 0), *(("calibrate", done) for done in range(job.total + 1))]
    record = CalibrationRecord.objects.get(metric_key="ctr")
    assert (record.units, record.runs, record.days) == (600, 1_000, 28)
    assert record.lake_version == LakeWarehouse().version
    assert record.passed


def test_the_days_are_counted_back_from_the_newest_event():
    send_views_and_clicks()
    seen: list[int] = []
    calibrate_lake(days=28, progress=lambda done, total: seen.append(done))
    first = CalibrationRecord.objects.get(metric_key="ctr")
    calibrate_lake(days=41, progress=lambda done, total: None)
    second = CalibrationRecord.objects.get(metric_key="ctr")
    assert (first.pk, first.units, second.days) == (second.pk, second.units, 41)
    assert second.uniformity_p != first.uniformity_p, "the click of 40 days ago should count"
    assert seen[-1] == len(seen) - 1


def test_without_events_the_job_is_done_and_says_nothing():
    job = request_calibration()
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")
    assert not CalibrationRecord.objects.exists()


def test_one_check_is_open_at_a_time(sent):
    job = request_calibration()
    assert request_calibration().pk == job.pk
    assert sent == [str(job.pk)]
    Job.objects.update(state=State.DONE)
    assert request_calibration().pk != job.pk


def test_the_schedule_asks_once_a_week():
    assert calibration_is_due()
    tasks.recalibrate()
    tasks.recalibrate()
    job = Job.objects.get()
    assert (job.kind, job.subject, job.requested_by) == (Kind.CALIBRATE, "all", "schedule")
    assert not calibration_is_due()
    Job.objects.update(state=State.DONE, created_at=timezone.now() - timedelta(days=7, minutes=1))
    tasks.recalibrate()
    assert Job.objects.count() == 2


def test_the_schedule_has_the_check():
    names = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "winnow.jobs.calibrate" in names
    assert "winnow.jobs.calibrate" in app.tasks
