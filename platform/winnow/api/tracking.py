"""Segment's tracking protocol, at the root. docs/tracking.md says what becomes of each call."""

from __future__ import annotations

import logging

from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from winnow.accounts.access import View, public
from winnow.accounts.models import ApiKey
from winnow.api.refusals import Refused, json_answer
from winnow.api.tracking_body import BATCH, Body, complete, parse_body, read_body
from winnow.api.write_keys import admit, key_in_header, preflight, sharing
from winnow.events import quarantine
from winnow.events.envelope import CALLS
from winnow.events.ingest import Receipt, ingest

logger = logging.getLogger(__name__)

# The short addresses are those of Segment's client for browsers, ``import`` that of older clients for history.
CALL_OF_ADDRESS = {
    "batch": BATCH,
    "import": BATCH,
    "b": BATCH,
    **{call: call for call in CALLS},
    **{call[0]: call for call in CALLS},
}


def call(kind: str) -> View:
    """The view of one call: ``track``, ``identify`` …, or ``batch`` for several at once."""

    @csrf_exempt  # no cookies are read here: the key is the only credential
    @public(because="the write key is checked in the view")
    @require_http_methods(["POST", "OPTIONS"])
    def view(request: HttpRequest) -> HttpResponse:
        return preflight(request) if request.method == "OPTIONS" else _answer(request, kind)

    return view


def _answer(request: HttpRequest, kind: str) -> HttpResponse:
    try:
        key, body = _key_and_body(request, kind)
        response = _receive(key, body)
    except Refused as refused:
        return refused.answer()
    except OperationalError:  # locked or down: nothing was acknowledged, and clients send it again
        message = "the events could not be stored; send them again"
        return json_answer({"code": "unavailable", "message": message}, 503, {"Retry-After": "2"})
    for name, value in sharing(request.headers.get("Origin", "")).items():
        response.headers[name] = value
    return response


def _key_and_body(request: HttpRequest, kind: str) -> tuple[ApiKey, Body]:
    """A key in the header is checked before the body is read; browsers' clients have it in the body."""
    in_header = key_in_header(request)
    if in_header is not None:
        key = admit(request, in_header)
        return key, parse_body(read_body(request), kind)
    body = parse_body(read_body(request), kind)
    return admit(request, body.write_key), body


def _receive(key: ApiKey, body: Body) -> HttpResponse:
    received_at = timezone.now()
    receipt = ingest(complete(body, received_at), received_at=received_at)
    if receipt.rejections:
        _keep(key, body.messages, receipt)
    if receipt.accepted or not receipt.rejections:
        return json_answer({"success": True, "accepted": receipt.accepted} | _rejected(receipt), 200)
    first = receipt.rejections[0]
    message = f"{len(receipt.rejections)} events refused; the first, at {first.index}: {first.message}"
    return json_answer({"code": "invalid_events", "message": message} | _rejected(receipt), 400)


def _keep(key: ApiKey, messages: list[object], receipt: Receipt) -> None:
    """What is in the quarantine is for looking at: the answer must not depend on it."""
    try:
        quarantine.keep(key, messages, receipt.rejections)
    except DatabaseError as error:
        logger.warning("%d refused events were not kept: %s", len(receipt.rejections), error)


def _rejected(receipt: Receipt) -> dict[str, object]:
    """Clients look at the status alone, so that one wrong event must not make them repeat the others."""
    rows = [
        {"index": row.index, "messageId": row.message_id, "field": row.field, "message": row.message}
        for row in receipt.rejections
    ]
    return {"rejected": rows} if rows else {}
