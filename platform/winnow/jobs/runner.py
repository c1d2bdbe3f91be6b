"""How a job is sent to a worker, run once, retried and resumed.

The row is the truth. A message only tells a worker to look at a row, so lost, late and doubled messages do no harm:
whoever holds the job's lock runs it, and the lock is released by the system when its holder dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from experiments.errors import ExperimentsError
from recommenders.errors import RecommendersError
from winnow.celery import app
from winnow.jobs.models import OPEN_STATES, Job, Kind, State
from winnow.locks import exclusive

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
RESEND_AFTER = timedelta(seconds=60)


def request(kind: Kind, subject: str, *, parameters: Mapping[str, object] | None = None, requested_by: str = "") -> Job:
    """The open job of this kind and subject, or a new one that a worker is told of once it is committed."""
    open_jobs = Job.objects.filter(kind=kind, subject=subject, state__in=OPEN_STATES)
    found = open_jobs.first()
    if found:
        return found
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind, subject=subject, parameters=dict(parameters or {}), requested_by=requested_by
            )
            transaction.on_commit(lambda: send(job))
    except IntegrityError:  # somebody else asked at the same moment
        return open_jobs.get()
    return job


def send(job: Job) -> None:
    """Tell a worker of a job. Without a broker the row waits for :func:`resume`."""
    Job.objects.filter(pk=job.pk).update(sent_at=timezone.now())
    try:
        app.send_task("winnow.jobs.run", args=[str(job.pk)], retry=False)
    except OperationalError as error:
        logger.warning("job %s waits: no broker (%s)", job.pk, error)


def run(job_id: str, work: Callable[[Job], None]) -> None:
    """Do the work of a job, unless it is done or somebody is at it."""
    with exclusive(f"job {job_id}") as taken:
        job = Job.objects.filter(pk=job_id, state__in=OPEN_STATES).first() if taken else None
        if job is None:
            return
        job.begin()
        try:
            work(job)
        except (ExperimentsError, RecommendersError) as error:  # the user's to mend: trying again changes nothing
            job.fail(str(error))
        except Exception as error:
            logger.exception("job %s, attempt %d of %d", job.pk, job.attempts, MAX_ATTEMPTS)
            reason = f"{type(error).__name__}: {error}"
            if job.attempts < MAX_ATTEMPTS:
                job.queue_again(reason)
            else:
                job.fail(reason)
        else:
            job.finish()


def resume() -> int:
    """Send again what nobody works on: jobs of killed workers, and jobs whose message got lost. Returns how many."""
    sent = 0
    for job in Job.objects.filter(state=State.RUNNING):
        with exclusive(f"job {job.pk}") as free:
            if free and Job.objects.filter(pk=job.pk, state=State.RUNNING).exists():
                if job.attempts >= MAX_ATTEMPTS:
                    job.fail(f"its worker died {job.attempts} times")
                else:
                    job.queue_again("its worker died")
    overdue = timezone.now() - RESEND_AFTER
    for job in Job.objects.filter(state=State.QUEUED).exclude(sent_at__gt=overdue):
        send(job)
        sent += 1
    return sent
