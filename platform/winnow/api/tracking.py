"""Segment's tracking protocol, at the root: POST /v1/batch and /v1/track with a write key as Basic user name."""

from __future__ import annotations

import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from winnow.accounts.access import public
from winnow.accounts.keys import find_api_key
from winnow.accounts.models import Scope
from winnow.events.ingest import Receipt, ingest

LARGEST_BODY = 500_000  # bytes, unpacked; the protocol's own bound for a batch
MOST_EVENTS = 2_500
GZIP = 16 + zlib.MAX_WBITS


class Refused(Exception):
    """A request that is not carried out. ``code`` is for programs, the message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@csrf_exempt  # no cookies are read here: the key in the header is the only credential
@public(because="the write key is checked in the view")
@require_POST
def batch(request: HttpRequest) -> HttpResponse:
    """Several events in one body: ``{"batch": [...]}``."""
    return _answer(request, many=True)


@csrf_exempt  # as above
@public(because="the write key is checked in the view")
@require_POST
def track(request: HttpRequest) -> HttpResponse:
    """One event as the body."""
    return _answer(request, many=False)


def _answer(request: HttpRequest, *, many: bool) -> HttpResponse:
    try:
        _check_key(request)
        receipt = ingest(_events(_body(request), many=many))
    except Refused as refused:
        return _json({"code": refused.code, "message": str(refused)}, refused.status)
    except OperationalError:  # locked or down: nothing was acknowledged, and clients send it again
        response = _json({"code": "unavailable", "message": "the events could not be stored; send them again"}, 503)
        response.headers["Retry-After"] = "2"
        return response
    if receipt.accepted or not receipt.rejections:
        return _json({"success": True, "accepted": receipt.accepted} | _rejected(receipt), 200)
    first = receipt.rejections[0]
    message = f"{len(receipt.rejections)} events refused; the first, at {first.index}: {first.message}"
    return _json({"code": "invalid_events", "message": message} | _rejected(receipt), 400)


def _rejected(receipt: Receipt) -> dict[str, object]:
    """Clients look at the status alone, so that one wrong event must not make them repeat the others."""
    rows = [
        {"index": row.index, "messageId": row.message_id, "field": row.field, "message": row.message}
        for row in receipt.rejections
    ]
    return {"rejected": rows} if rows else {}


def _check_key(request: HttpRequest) -> None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        key = b64decode(encoded, validate=True).decode().partition(":")[0] if scheme.lower() == "basic" else ""
    except (Base64Error, UnicodeDecodeError):
        key = ""
    if not find_api_key(key, scope=Scope.WRITE_EVENTS):
        raise Refused(401, "unauthorized", "send a write key as the user name of Basic authentication")


def _body(request: HttpRequest) -> bytes:
    too_large = Refused(
        413, "too_large", f"the body must be at most {LARGEST_BODY} bytes, unpacked; send smaller batches"
    )
    try:
        body = request.body
    except RequestDataTooBig:
        raise too_large from None
    if request.headers.get("Content-Encoding", "").lower() == "gzip":
        unpacker = zlib.decompressobj(GZIP)
        try:
            body = unpacker.decompress(body, LARGEST_BODY + 1)
        except zlib.error:
            raise Refused(400, "bad_gzip", "the body is not gzip, though Content-Encoding says so") from None
        if len(body) <= LARGEST_BODY and not unpacker.eof:
            raise Refused(400, "bad_gzip", "the gzip body is cut off")
    if len(body) > LARGEST_BODY:
        raise too_large
    return body


def _events(body: bytes, *, many: bool) -> Sequence[object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "bad_json", f"the body is not JSON: {error}") from None
    if not many:
        return [parsed]
    events = parsed.get("batch") if isinstance(parsed, dict) else None
    if not isinstance(events, list):
        raise Refused(400, "bad_request", 'the body must be an object with a list named "batch"')
    if len(events) > MOST_EVENTS:
        raise Refused(413, "too_large", f"{len(events)} events in one batch, must be at most {MOST_EVENTS}")
    return events


def _json(data: dict[str, object], status: int) -> HttpResponse:
    return HttpResponse(orjson.dumps(data), content_type="application/json", status=status)
