"""Asking for the A/A self-check, and carrying it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version

from django.utils import timezone

from experiments.models import CalibrationRecord
from experiments.services.calibration import DAYS, Recent, recalibrate
from experiments.stats.calibration import RUNS
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.evaluation import compact_soon
from winnow.jobs.models import Job, Kind
from winnow.jobs.runner import request

SUBJECT = "all"
EVERY = timedelta(days=7)


def request_calibration(*, requested_by: str = "") -> Job:
    """The open self-check, or a new one that a worker is told of once it is committed."""
    return request(Kind.CALIBRATE, SUBJECT, requested_by=requested_by)


def calibration_is_due() -> bool:
    """Whether nobody has asked for a week; the scheduler may have been off when a week was over."""
    since = timezone.now() - EVERY
    return not Job.objects.filter(kind=Kind.CALIBRATE, created_at__gt=since).exists()


def calibrate(job: Job) -> None:
    """Bring the inbox into the lake, then check every metric on its recent units."""
    job.report_progress(0, 1, step="compact")
    calibrate_lake(progress=lambda done, total: job.report_progress(done, total, step="calibrate"))


def calibrate_lake(
    *, runs: int = RUNS, days: int = DAYS, progress: Callable[[int, int], None]
) -> tuple[CalibrationRecord, ...]:
    """Check every metric on the units of the last days before the newest event; nothing where there are no events.

    What the check sees depends on the lake's version alone, not on the clock.
    """
    compact_soon()
    warehouse = LakeWarehouse()
    events = warehouse.time_range()
    if events is None:
        return ()
    recent = Recent(
        end=events[1] + timedelta(microseconds=1),
        lake_version=warehouse.version,
        code_version=version("winnow-platform"),
        days=days,
    )
    return recalibrate(warehouse, recent, runs=runs, progress=progress)
