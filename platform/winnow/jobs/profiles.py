"""Asking for the profiles of users and items, and computing them."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from winnow.catalog.models import ProfileVersion
from winnow.catalog.profiles import compute_version, delete_old_versions, newest_version
from winnow.events.lake import Lake
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.evaluation import compact_soon
from winnow.jobs.models import Job, Kind
from winnow.jobs.runner import request

SUBJECT = "all"
STEPS = ("compact", "events", "users", "items", "histories")
REST = 9  # times as long as the last computation took: a shop of any size spends a tenth of its time at most


def request_profiles(*, requested_by: str = "") -> Job:
    """The open computation of profiles, or a new one that a worker is told of once it is committed."""
    return request(Kind.PROFILE, SUBJECT, requested_by=requested_by)


def latest_profile_job() -> Job | None:
    """The computation that was asked for last."""
    return Job.objects.filter(kind=Kind.PROFILE).order_by("-created_at").first()


def profiles_are_due() -> bool:
    """Whether there are events that no profile has seen, and the last computation is long enough ago."""
    last = Job.objects.filter(kind=Kind.PROFILE).exclude(finished_at=None).order_by("-finished_at").first()
    took = last.finished_at - last.started_at if last and last.finished_at and last.started_at else None
    if last and last.finished_at and took and timezone.now() < last.finished_at + REST * took:
        return False
    newest = newest_version()
    return InboxBody.objects.exists() or Lake(settings.LAKE).version() != (newest.lake_version if newest else 0)


def profile(job: Job) -> None:
    """Bring the inbox into the lake, then compute the profiles at its newest version."""
    report = _Steps(job)
    report("compact")
    compact_soon()
    compute_newest(report)
    delete_old_versions()


def compute_newest(progress: _Steps | None = None) -> ProfileVersion | None:
    """Profiles of all events of the newest lake; None where there are none.

    Their moment is right after the newest event, so they depend on the lake's version and not on the clock.
    """
    warehouse = LakeWarehouse()
    events = warehouse.time_range()
    if events is None:
        return None
    until = events[1] + timedelta(microseconds=1)
    return compute_version(warehouse, until, histories=True, progress=progress or _silent)


class _Steps:
    """Shows on the job which step it is at."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, step: str) -> None:
        self.job.report_progress(STEPS.index(step), len(STEPS), step=step)


def _silent(_step: str) -> None:
    """Nobody watches."""
