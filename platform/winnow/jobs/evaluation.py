"""Asking for an evaluation, and carrying it out."""

from __future__ import annotations

import time
from importlib.metadata import version

from experiments.contracts import Stopping
from experiments.models import Experiment
from experiments.selectors import find_experiment
from experiments.services.analysis import analyze, now_source
from winnow.catalog.covariates import provide_profiles
from winnow.events.compaction import compact
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.models import Job, Kind
from winnow.jobs.runner import request

COMPACTION_WAIT = 120.0  # seconds that an evaluation waits for somebody else's compaction


def request_evaluation(key: str, *, requested_by: str = "") -> Job:
    """The open evaluation of this experiment, or a new one that a worker is told of once it is committed.

    Raises UnknownExperiment, and IllegalTransition for an experiment that has not started.
    """
    find_experiment(key).require_started()
    return request(Kind.EVALUATE, key, requested_by=requested_by)


def latest_job(key: str) -> Job | None:
    """The evaluation of this experiment that was asked for last."""
    return Job.objects.filter(kind=Kind.EVALUATE, subject=key).order_by("-created_at").first()


def needs_refresh(experiment: Experiment) -> bool:
    """Whether there are events that the latest analysis has not seen."""
    latest = experiment.analyses.first()
    return latest is None or InboxBody.objects.exists() or latest.lake_version < LakeWarehouse().version


def is_answered(experiment: Experiment) -> bool:
    """Whether a plan with an end was read with all of its units: another look would settle nothing and cost error."""
    latest = experiment.analyses.first()
    if latest is None or experiment.stopping != Stopping.SPENDING or not experiment.planned_units:
        return False
    units = latest.report.get("looks", {}).get("units", 0)
    return bool(units >= experiment.planned_units)


def evaluate(job: Job) -> None:
    """Bring the inbox into the lake, then compute and freeze the report at the lake's version."""
    experiment = find_experiment(job.subject)
    job.report_progress(0, 1, step="compact")
    compact_soon()
    warehouse = LakeWarehouse()
    profiles = provide_profiles(warehouse, experiment)
    analyze(
        experiment,
        warehouse,
        source=now_source(
            name="lake",
            lake_version=warehouse.version,
            code_version=version("winnow-platform"),
            rows=warehouse.row_count(),
        ),
        profiles=profiles,
        progress=lambda done, total: job.report_progress(done + 1, total + 1, step="read"),
    )


def compact_soon() -> None:
    """Compact, or wait until whoever does so already has finished."""
    deadline = time.monotonic() + COMPACTION_WAIT
    while compact() is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"another process has been compacting the inbox for {COMPACTION_WAIT:.0f} seconds")
        time.sleep(0.2)
