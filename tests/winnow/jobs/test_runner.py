"""Jobs are run once, retried, given up, and resumed when their worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from experiments.errors import InvalidInput
from winnow.celery import app
from winnow.jobs import runner
from winnow.jobs.models import Job, Kind, State
from winnow.locks import exclusive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch):
    """The ids of the jobs that a worker was told of."""
    ids: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, retry: ids.append(args[0]))
    return ids


@pytest.fixture
def job():
    return Job.objects.create(kind=Kind.EVALUATE, subject="exp")


def test_a_job_that_works_is_done(job):
    runner.run(str(job.pk), lambda job: job.report_progress(1, 4, step="read"))
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.attempts, job.percent) == ("done", 4, 4, 1, 100)
    assert job.finished_at >= job.started_at


def test_a_finished_job_is_not_run_again(job):
    calls: list[Job] = []
    runner.run(str(job.pk), calls.append)
    runner.run(str(job.pk), calls.append)
    assert len(calls) == 1


def test_a_job_is_not_run_by_two_at_once(job):
    with exclusive(f"job {job.pk}") as taken:
        assert taken
        command = [sys.executable, "-c", TRY_LOCK.format(name=f"job {job.pk}")]
        completed = subprocess.run(command, capture_output=True, text=True, env=same_database())
    assert completed.stdout.strip() == "False", completed.stderr


def test_a_job_that_fails_is_tried_three_times(job):
    def work(job):
        raise OSError("disk on fire")

    for attempt in (1, 2, 3):
        runner.run(str(job.pk), work)
        job.refresh_from_db()
        assert job.attempts == attempt
        assert job.error == "OSError: disk on fire"
        assert job.state == (State.QUEUED if attempt < 3 else State.FAILED)


def test_a_users_mistake_is_not_tried_again(job):
    def work(job):
        raise InvalidInput("metric", "'clicks' is not defined")

    runner.run(str(job.pk), work)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("failed", 1, "metric: 'clicks' is not defined")


def test_a_job_whose_worker_died_is_sent_again(job, sent):
    Job.objects.update(state=State.RUNNING, attempts=1, sent_at=timezone.now())
    assert runner.resume() == 1
    job.refresh_from_db()
    assert (job.state, sent) == ("queued", [str(job.pk)])


def test_a_job_whose_worker_died_three_times_is_given_up(job, sent):
    Job.objects.update(state=State.RUNNING, attempts=3)
    assert runner.resume() == 0
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "its worker died 3 times")


def test_a_job_that_waits_is_not_sent_over_and_over(job, sent):
    runner.send(job)
    assert runner.resume() == 0
    Job.objects.update(sent_at=timezone.now() - timedelta(minutes=5))
    assert runner.resume() == 1
    assert sent == [str(job.pk)] * 2


def test_without_a_broker_the_job_waits(job, monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(app, "send_task", refuse)
    runner.send(job)
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_the_database_allows_one_open_job_for_a_subject(job):
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(kind=Kind.EVALUATE, subject="exp")
    Job.objects.update(state=State.DONE)
    Job.objects.create(kind=Kind.EVALUATE, subject="exp")


def test_a_lock_is_free_once_its_holder_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD_LOCK], stdout=subprocess.PIPE, text=True, env=same_database())
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "True"
    with exclusive("held") as taken:
        assert not taken
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with exclusive("held") as taken:
            if taken:
                break
        time.sleep(0.05)
    assert taken


def same_database() -> dict[str, str]:
    """The environment of another process that uses this test's database."""
    given = connection.settings_dict
    if connection.vendor != "postgresql":
        return dict(os.environ)
    query = urlencode({"host": given["HOST"], "port": given["PORT"] or 5432})
    return os.environ | {
        "WINNOW_DATABASE_URL": f"postgresql://{given['USER']}:{given['PASSWORD']}@/{given['NAME']}?{query}"
    }


SETUP = """
import django
django.setup()
from django.conf import settings
from django.db import connection
from winnow.locks import exclusive
"""
TRY_LOCK = SETUP + "with exclusive({name!r}) as taken: print(taken)"
HOLD_LOCK = SETUP + "import time\nwith exclusive('held') as taken:\n    print(taken, flush=True)\n    time.sleep(60)"
