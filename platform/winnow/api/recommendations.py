"""POST /api/v1/recommendations: lists for users; and GET /metrics, what serving counts. See docs/serving.md."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseFailed
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from ninja import Router, Schema
from ninja.security import HttpBearer

from experiments.errors import UnknownExperiment
from winnow.accounts.access import public
from winnow.accounts.keys import find_api_key
from winnow.accounts.models import Scope
from winnow.accounts.roles import Permission
from winnow.api.authentication import PersonWith
from winnow.api.refusals import Problem, json_answer
from winnow.serving import counters
from winnow.serving.contracts import Request, ServedList, Slot
from winnow.serving.parsing import BadRequest, body_schema, parse
from winnow.serving.recent import Recent
from winnow.serving.record import NotRecorded
from winnow.serving.service import recommend

logger = logging.getLogger(__name__)

KEY_SECONDS = 2.0  # after which a key is looked up again; a revoked one is out after twice that at the latest


def _is_good(key: str) -> bool:
    return find_api_key(key, scope=Scope.RECOMMEND) is not None


KEYS = Recent(_is_good, seconds=KEY_SECONDS)


class RecommendKey(HttpBearer):
    """``Authorization: Bearer wn_…`` of a key with the scope ``recommend``, looked up every few seconds."""

    def authenticate(self, request: HttpRequest, token: str) -> str | None:
        """The key, or None: refused. A database that does not answer refuses nobody: nothing can be served anyway."""
        try:
            return token if KEYS.get(token) else None
        except DatabaseFailed:
            return "unavailable"


class ServedSlot(Schema):
    """One place of a list."""

    item_id: str
    score: float | None
    propensity: float
    source: str
    reason: str | None = None


class Fallback(Schema):
    """Why a list is not wholly the strategy's own."""

    reason: str
    message: str


class Served(Schema):
    """A list. ``arm`` is null where nobody was assigned; ``message`` says why there are no items, if so."""

    ranking_id: str
    user_id: str | None = None
    anonymous_id: str | None = None
    experiment: str | None
    arm: str | None
    strategy: str
    version: str
    items: list[ServedSlot]
    fallback: Fallback | None = None
    message: str | None = None


class ServedMany(Schema):
    """Lists in the order of ``users``."""

    lists: list[Served]


router = Router(tags=["recommendations"])


@router.post(
    "/recommendations",
    auth=[RecommendKey(), PersonWith(Permission.RUN_EXPERIMENTS)],
    response={200: Served | ServedMany, 400: Problem, 404: Problem, 413: Problem, 503: Problem},
    summary="Recommend items to one user or to many",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": body_schema()}}},
    },
)
def recommendations(request: HttpRequest) -> HttpResponse:
    """A list a user, logged before it is answered.

    Give `experiment` or `strategy` (`key` or `key@version`), and one user's fields or `users`.
    """
    response = _answer(request)
    counters.REQUESTS.labels(str(response.status_code)).inc()
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    try:
        asked = parse(request.body)
        return json_answer(_body(asked, recommend(asked)), 200)
    except BadRequest as error:
        return json_answer({"code": "invalid_input", "message": str(error), "field": error.field}, 400)
    except UnknownExperiment as error:
        return json_answer({"code": "unknown_experiment", "message": str(error), "field": "experiment"}, 404)
    except RequestDataTooBig:
        return json_answer({"code": "too_large", "message": "the body is too large; ask for fewer users at once"}, 413)
    except (DatabaseFailed, NotRecorded):  # a list that is not in the log must not be seen
        logger.exception("lists could not be logged")
        message = "the lists could not be logged; ask again"
        return json_answer({"code": "unavailable", "message": message}, 503, {"Retry-After": "2"})


def _body(asked: Request, lists: tuple[ServedList, ...]) -> dict[str, object]:
    return {"lists": [_served(made) for made in lists]} if asked.many else _served(lists[0])


def _served(made: ServedList) -> dict[str, object]:
    who = {"user_id": made.person.user_id, "anonymous_id": made.person.anonymous_id}
    served: dict[str, object] = {
        "ranking_id": made.ranking_id,
        **{name: value for name, value in who.items() if value is not None},
        "experiment": made.experiment,
        "arm": made.arm,
        "strategy": made.strategy,
        "version": made.version,
        "items": [_slot(slot) for slot in made.slots],
    }
    if made.trouble is not None:
        served["fallback"] = {"reason": made.trouble.value, "message": made.message}
    if not made.slots:
        served["message"] = "no item may be shown to this user"
    return served


def _slot(slot: Slot) -> dict[str, object]:
    plain: dict[str, object] = {
        "item_id": slot.item_id,
        "score": slot.score,
        "propensity": slot.propensity,
        "source": slot.source.value,
    }
    return plain | {"reason": slot.reason} if slot.reason else plain


@public(because="the key or the person is checked in the view, and a program is not sent to a login page")
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """What is counted, in Prometheus' text format, for keys with the scope ``read`` and people who may view."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    by_key = scheme.lower() == "bearer" and find_api_key(key, scope=Scope.READ) is not None
    if not by_key and PersonWith(Permission.VIEW).authenticate(request, None) is None:
        message = "send a key with the scope read as Authorization: Bearer, or log in"
        return json_answer({"code": "unauthorized", "message": message}, 401)
    return HttpResponse(counters.exposition(), content_type=counters.CONTENT_TYPE)
