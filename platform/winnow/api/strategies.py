"""Strategies for programs: what there is, training, the current version, and offline comparisons."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from recommenders.configuration import settings_to_json
from recommenders.contracts import Budget
from recommenders.errors import BrokenArtefact, MissingExtra, RecommendersError, UnknownStrategy
from recommenders.models import OfflineEvaluation, Strategy, StrategyVersion
from recommenders.registry import places, strategy_class
from recommenders.services import make_current
from winnow.api.authentication import TRAIN
from winnow.jobs.comparison import Question, request_comparison
from winnow.jobs.models import Job
from winnow.jobs.training import request_training

router = Router(tags=["strategies"])

Json = dict[str, object]
CODES: dict[type[RecommendersError], tuple[int, str]] = {
    UnknownStrategy: (404, "unknown_strategy"),
    MissingExtra: (409, "missing_extra"),
    BrokenArtefact: (409, "broken_artefact"),
}


class Refusal(Schema):
    """Why a request was not carried out."""

    code: str
    message: str


class Asked(Schema):
    """The job that was opened, or is open already; GET /jobs/{id} says how far it is."""

    id: UUID
    kind: str
    subject: str
    state: str


class Training(Schema):
    """What to train from. `data` is `lake` or `complete-journey`."""

    data: str
    config: Json = Field(default_factory=dict)
    seed: int = 0
    seconds: float = 300.0
    current: bool = False


class Chosen(Schema):
    """The version that shall serve where none is named."""

    version: str


class Comparison(Schema):
    """What to compare. `strategies` are keys, or `key@version` in that version's configuration."""

    strategies: list[str]
    data: str
    split: str = "leave-last-out"
    k: int = 10
    new_only: bool = False
    seed: int = 0
    seconds: float = 300.0


class EvaluationRow(Schema):
    """One offline comparison in the list."""

    id: int
    keys: list[str]
    data: str
    created_at: datetime
    created_by: str
    code_version: str


REFUSALS = {400: Refusal, 404: Refusal, 409: Refusal}


@router.get("/strategies", response=list[Json], summary="All strategies with configuration and versions")
def list_strategies(request: HttpRequest) -> list[Json]:
    """`config` has name, entry, optional, default and explanation of each field; null where the code is not here."""
    rows = {row.key: row for row in Strategy.objects.select_related("current").prefetch_related("versions")}
    return [_described(key, rows.get(key)) for key in dict.fromkeys([*places(), *sorted(rows)])]


@router.post(
    "/strategies/{key}/trainings", auth=TRAIN, response={202: Asked, **REFUSALS}, summary="Train a new version"
)
def train(request: HttpRequest, key: str, asked: Training) -> Status[object]:
    """The answer is the job."""
    try:
        job: Job = request_training(
            key,
            data=asked.data,
            config=asked.config,
            seed=asked.seed,
            budget=Budget(seconds=asked.seconds),
            requested_by=str(request.user),
            current=asked.current,
        )
    except RecommendersError as error:
        return _refused(error)
    return Status(202, job)


@router.post("/strategies/{key}/current", auth=TRAIN, response={200: Json, **REFUSALS}, summary="Choose what serves")
def choose(request: HttpRequest, key: str, chosen: Chosen) -> Status[object]:
    """Also the way back to an older version. Its artefact is checked first."""
    try:
        row = make_current(key, chosen.version)
    except RecommendersError as error:
        return _refused(error)
    return Status(200, {"key": key, "current": row.version})


@router.get(
    "/strategies/{key}/versions/{version}/manifest", response={200: Json, 404: Refusal}, summary="A version's manifest"
)
def get_manifest(request: HttpRequest, key: str, version: str) -> Status[object]:
    row = StrategyVersion.objects.filter(strategy__key=key, version=version).first()
    if row is None or not row.manifest:
        message = f"{key} has no version {version!r} with a manifest"
        return Status(404, {"code": "unknown_version", "message": message})
    return Status(200, row.manifest)


@router.get("/evaluations", response=list[EvaluationRow], summary="Offline comparisons, newest first")
def list_evaluations(request: HttpRequest) -> list[OfflineEvaluation]:
    return list(OfflineEvaluation.objects.defer("report"))


@router.post("/evaluations", auth=TRAIN, response={202: Asked, **REFUSALS}, summary="Compare strategies offline")
def compare(request: HttpRequest, asked: Comparison) -> Status[object]:
    """The answer is the job."""
    try:
        question = Question(**asked.dict() | {"strategies": tuple(asked.strategies)})
        return Status(202, request_comparison(question, requested_by=str(request.user)))
    except RecommendersError as error:
        return _refused(error)


@router.get("/evaluations/{pk}", response={200: Json, 404: Refusal}, summary="The report of an offline comparison")
def get_evaluation(request: HttpRequest, pk: int) -> Status[object]:
    """The report that the comparison's page draws. What is no number is null."""
    row = OfflineEvaluation.objects.filter(pk=pk).first()
    if row is None:
        return Status(404, {"code": "unknown_evaluation", "message": f"there is no evaluation {pk}"})
    return Status(200, row.report)


def _described(key: str, row: Strategy | None) -> Json:
    try:
        kind = strategy_class(key)
    except RecommendersError as error:
        name, family = (row.name, row.family) if row else (key, "")
        known: Json = {"name": name, "family": family, "config": None, "missing": str(error)}
    else:
        known = {
            "name": kind.name,
            "family": kind.family,
            "description": kind.description,
            "config": settings_to_json(kind.Config),
        }
    versions = sorted(row.versions.all(), key=lambda one: -one.pk) if row else []
    return {
        "key": key,
        **known,
        "current": row.current.version if row and row.current else None,
        "versions": [
            {"version": one.version, "created_at": one.created_at, "created_by": one.created_by, "origin": one.origin}
            for one in versions
        ],
    }


def _refused(error: RecommendersError) -> Status[object]:
    status, code = CODES.get(type(error), (400, "invalid_input"))
    return Status(status, {"code": code, "message": str(error)})
