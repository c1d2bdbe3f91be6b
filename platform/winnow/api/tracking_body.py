"""The body of a request to the tracking protocol: unpacked in bounded memory, and its messages made complete."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from winnow.api.refusals import Refused
from winnow.events.errors import BadEvent, short
from winnow.events.schema import KINDS, LONGEST_EVENT

LARGEST_BODY = 500_000  # bytes, unpacked; the protocol's own bound for a batch
MOST_EVENTS = 2_500
GZIP = 16 + zlib.MAX_WBITS
BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was sent: the messages as they are, and what holds for all of them."""

    messages: list[object]
    size: int  # bytes, unpacked
    write_key: str
    sent_at: datetime | None
    context: dict[str, object]


def read_body(request: HttpRequest) -> bytes:
    """The bytes, unpacked. Raises Refused."""
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


def parse_body(body: bytes, call: str) -> Body:
    """The messages of a body that was sent to a call's address, or to that of batches. Raises Refused."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "bad_json", f"the body is not JSON: {error}") from None
    outer = parsed if isinstance(parsed, dict) else {}
    if call == BATCH:
        messages, context = _batch(outer), outer.get("context")
    else:
        messages, context = [{**parsed, "type": call} if isinstance(parsed, dict) else parsed], None
    write_key = outer.get("writeKey")
    return Body(
        messages=messages,
        size=len(body),
        write_key=write_key if isinstance(write_key, str) else "",
        sent_at=_sent_at(outer.get("sentAt")),
        context=context if isinstance(context, dict) else {},
    )


def _batch(outer: dict[str, object]) -> list[object]:
    messages = outer.get("batch")
    if not isinstance(messages, list):
        raise Refused(400, "bad_request", 'the body must be an object with a list named "batch"')
    if len(messages) > MOST_EVENTS:
        raise Refused(413, "too_large", f"{len(messages)} events in one batch, must be at most {MOST_EVENTS}")
    return messages


def _sent_at(raw: object) -> datetime | None:
    if raw is None or raw == "":
        return None
    moment = _moment(raw)
    if moment is None:
        rule = "must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z"
        raise Refused(400, "bad_request", f"sentAt: {short(raw)} {rule}")
    return moment


def _moment(raw: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def complete(body: Body, received_at: datetime) -> Iterator[object]:
    """The messages with what the protocol adds at the receiver: an id, the batch's context, and a corrected time.

    One that is too large comes as the BadEvent that says so.
    """
    for message in body.messages:
        if not isinstance(message, dict):
            yield message
        elif body.size > LONGEST_EVENT and (error := _too_large(message)):
            yield error
        else:
            if not message.get("messageId"):
                message["messageId"] = _new_id(message)
            if body.context:
                own = message.get("context")
                message["context"] = body.context | own if isinstance(own, dict) else body.context
            _correct_time(message, body.sent_at, received_at)
            yield message


def _too_large(message: dict[str, object]) -> BadEvent | None:
    try:
        size = len(orjson.dumps(message))
    except TypeError as error:  # nested more deeply than can be written again
        return BadEvent("", f"must be JSON: {error}")
    longest = KINDS[name].longest if (name := message.get("event")) in KINDS else LONGEST_EVENT
    return BadEvent("", f"{size} bytes of JSON, must be at most {longest}") if size > longest else None


def _new_id(message: dict[str, object]) -> str:
    """The same content at the same time is the same message, sent again; without a time it is a new one."""
    if message.get("timestamp") or message.get("originalTimestamp"):
        with suppress(TypeError):  # nested too deeply: the schema says so
            content = orjson.dumps({**message, "messageId": None}, option=orjson.OPT_SORT_KEYS)
            return f"winnow-{sha256(content).hexdigest()[:40]}"
    return f"winnow-{uuid4()}"


def _correct_time(message: dict[str, object], sent_at: datetime | None, received_at: datetime) -> None:
    """``timestamp = received_at - (sentAt - originalTimestamp)``: a device's clock is good for differences only."""
    original = message.get("originalTimestamp") or message.get("timestamp")
    moment = _moment(original)
    if moment is None or sent_at is None:
        message["timestamp"] = original  # the schema says what is wrong with it
        return
    try:
        message["timestamp"] = (received_at - (sent_at - moment)).isoformat()
    except OverflowError:  # years 1 and 9999
        message["timestamp"] = original
