"""The JSON API for programs, under /api/v1. Every operation names the permission of a person or the scope of a key."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from ninja import NinjaAPI, Schema, Status

from experiments.contracts import Stopping, Unit
from experiments.errors import ExperimentsError, IllegalTransition, UnknownExperiment
from experiments.rendering import report_to_json
from experiments.selectors import experiment_detail, experiment_summaries
from experiments.services.calibration import DAYS
from experiments.services.planning import NO_EVENTS, find_metric, plan, plan_to_json
from experiments.stats.planning import Design
from winnow.accounts.access import public, requires
from winnow.accounts.roles import Permission
from winnow.api.authentication import READ, RUN
from winnow.api.profiles import router as profiles
from winnow.api.recommendations import router as recommendations
from winnow.api.refusals import Problem
from winnow.api.strategies import router as strategies
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.evaluation import request_evaluation
from winnow.jobs.models import Job
from winnow.plan import parse_weights

api = NinjaAPI(
    title="Winnow",
    version="1",
    description="Experiments, their reports and the jobs that compute them. Events go to POST /v1/batch.",
    urls_namespace="api",
    auth=READ,
    docs_decorator=csp_update({"img-src": ["data:"]}),  # the icons of Swagger UI
)


api.add_router("", recommendations)
api.add_router("", profiles)
api.add_router("", strategies)


class ExperimentRow(Schema):
    """One experiment in the list."""

    key: str
    name: str
    state: str
    unit: str
    simulated: bool
    started_at: datetime | None
    stopped_at: datetime | None
    arm_count: int


class JobRow(Schema):
    """How far a job is."""

    id: UUID
    kind: str
    subject: str
    state: str
    done: int
    total: int
    step: str
    error: str


@api.get("/experiments", response=list[ExperimentRow], summary="All experiments, newest first")
def list_experiments(request: HttpRequest) -> list[ExperimentRow]:
    return [ExperimentRow.model_validate(row, from_attributes=True) for row in experiment_summaries()]


@api.get("/experiments/{key}/report", response={200: dict[str, object], 404: Problem}, summary="The latest report")
def get_report(request: HttpRequest, key: str) -> Status[dict[str, object]]:
    """The report that the experiment's page shows. Absent numbers are null and carry reason codes."""
    report = experiment_detail(key).report
    if report is None:
        message = f"{key} has no report yet; POST /api/v1/experiments/{key}/evaluations"
        return Status(404, {"code": "no_report", "message": message})
    return Status(200, report_to_json(report))


@api.post(
    "/experiments/{key}/evaluations",
    auth=RUN,
    response={202: JobRow, 404: Problem, 409: Problem},
    summary="Evaluate now",
)
def evaluate(request: HttpRequest, key: str) -> Status[Job]:
    """Ask for an evaluation; the answer is the job that is open for this experiment."""
    return Status(202, request_evaluation(key, requested_by=str(request.user)))


@api.get("/jobs/{job_id}", response={200: JobRow, 404: Problem}, summary="How far a job is")
def get_job(request: HttpRequest, job_id: UUID) -> Status[object]:
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return Status(404, {"code": "unknown_job", "message": f"there is no job {job_id}"})
    return Status(200, job)


@api.get("/plan", response={200: dict[str, object], 400: Problem, 404: Problem}, summary="Plan an experiment")
def get_plan(
    request: HttpRequest,
    metric: str,
    rel_effect: float | None = None,
    effect: float | None = None,
    days: int | None = None,
    stopping: Stopping = Stopping.SPENDING,
    arms: int | None = None,
    weights: str = "",
    power: float = 0.8,
    alpha: float = 0.05,
    covariate_days: int | None = None,
    recent_days: int = DAYS,
    unit: Unit = Unit.USER,
) -> Status[dict[str, object]]:
    """What `winnow plan` prints, from the lake as it is.

    `rel_effect` is a fraction of the control's value (0.05 is 5 %), `effect` a difference in the metric's own unit: a
    fraction for a share, minor units for money. Without either there is no `target`, without `days` no `window`.
    `weights` has commas between. Absent numbers are null and carry reason codes.
    """
    find_metric(metric)
    design = Design(alpha=alpha, power=power, weights=parse_weights(weights, arms))
    warehouse = LakeWarehouse()
    if warehouse.time_range() is None:
        return Status(404, {"code": "no_events", "message": f"events: {NO_EVENTS}"})
    planned = plan(
        warehouse,
        metric,
        effect=effect,
        rel_effect=rel_effect,
        days=days,
        design=design,
        stopping=stopping,
        unit=unit,
        covariate_days=covariate_days,
        recent_days=recent_days,
    )
    return Status(200, {"lake_version": warehouse.version} | plan_to_json(planned))


STATUS: dict[type[ExperimentsError], tuple[int, str]] = {
    UnknownExperiment: (404, "unknown_experiment"),
    IllegalTransition: (409, "illegal_transition"),
}


@api.exception_handler(ExperimentsError)
def refuse(request: HttpRequest, error: ExperimentsError) -> HttpResponse:
    """A user's mistake, as a problem with a code."""
    status, code = STATUS.get(type(error), (400, "invalid_input"))
    return api.create_response(request, {"code": code, "message": str(error)}, status=status)


def urls() -> tuple[list[URLPattern], str, str]:
    """The API's addresses, each with its access. Operations check the person or the key themselves."""
    patterns, app_name, namespace = api.urls
    views = [pattern for pattern in patterns if isinstance(pattern, URLPattern)]
    for pattern in views:
        if pattern.name in DOCUMENTATION:
            requires(Permission.VIEW)(pattern.callback)
        else:
            public(because="every operation of the API has its own authentication")(pattern.callback)
    return views, app_name, namespace


DOCUMENTATION = ("openapi-json", "openapi-view", "api-root")
