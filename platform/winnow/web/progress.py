"""A job in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.functional import Promise

from winnow.jobs.models import Job, State
from winnow.web.words import STEPS

PATIENCE = timedelta(seconds=15)  # a job that waits longer probably has no worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``waits_long`` asks whether a worker runs at all; ``error`` is what the last attempt said."""

    open: bool
    failed: bool
    words: str | Promise
    done: int
    total: int
    error: str
    waits_long: bool


def describe(job: Job) -> Progress:
    """What the page says about a job."""
    waits = job.state == State.QUEUED
    return Progress(
        open=job.open,
        failed=job.state == State.FAILED,
        words=STEPS.get(job.step, State(job.state).label) if job.state == State.RUNNING else State(job.state).label,
        done=job.done,
        total=job.total,
        error=job.error,
        waits_long=waits and timezone.now() - job.created_at > PATIENCE,
    )
