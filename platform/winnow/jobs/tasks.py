"""Every Celery task of the product: ids in, call the domain, log."""

from __future__ import annotations

import logging

from celery import shared_task

from experiments.selectors import running_experiments
from winnow.events.compaction import compact as compact_inbox
from winnow.jobs import runner
from winnow.jobs.calibration import calibrate, calibration_is_due, request_calibration
from winnow.jobs.comparison import compare
from winnow.jobs.evaluation import evaluate, is_answered, needs_refresh, request_evaluation
from winnow.jobs.models import Job, Kind
from winnow.jobs.profiles import profile, profiles_are_due, request_profiles
from winnow.jobs.training import train

logger = logging.getLogger(__name__)

WORK = {
    Kind.EVALUATE: evaluate,
    Kind.CALIBRATE: calibrate,
    Kind.TRAIN: train,
    Kind.PROFILE: profile,
    Kind.COMPARE: compare,
}


@shared_task(name="winnow.jobs.run")
def run(job_id: str) -> None:
    """Do one job."""
    runner.run(job_id, work)


def work(job: Job) -> None:
    """The work of a job, by its kind."""
    WORK[Kind(job.kind)](job)


@shared_task(name="winnow.jobs.compact")
def compact() -> None:
    """Carry the inbox into the lake, unless somebody is at it."""
    compact_inbox()


@shared_task(name="winnow.jobs.resume")
def resume() -> None:
    """Send again what a killed worker left behind."""
    sent = runner.resume()
    if sent:
        logger.info("sent %d waiting jobs again", sent)


@shared_task(name="winnow.jobs.refresh")
def refresh() -> None:
    """Evaluate the running experiments that have new data and no answer yet."""
    for experiment in running_experiments():
        if needs_refresh(experiment) and not is_answered(experiment):
            request_evaluation(experiment.key, requested_by="schedule")


@shared_task(name="winnow.jobs.calibrate")
def recalibrate() -> None:
    """Check the statistics on recent units, once a week."""
    if calibration_is_due():
        request_calibration(requested_by="schedule")


@shared_task(name="winnow.jobs.profile")
def renew_profiles() -> None:
    """Compute the profiles of users and items where there are new events."""
    if profiles_are_due():
        request_profiles(requested_by="schedule")
