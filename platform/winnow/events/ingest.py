"""The one door for events: HTTP, file import and demo all come through :func:`ingest`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from winnow.events.commits import commit
from winnow.events.models import InboxBody
from winnow.events.schema import BadEvent, parse_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An event that was not accepted. ``index`` is its place in the request, from 0."""

    index: int
    message_id: str | None
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a request: how many events are durable, and which were refused."""

    accepted: int
    rejections: tuple[Rejection, ...]


def ingest(raw_events: Iterable[object], *, received_at: datetime | None = None) -> Receipt:
    """Validate events and commit the valid ones as one inbox row. When this returns they are durable."""
    received_at = received_at or timezone.now()
    lines: list[bytes] = []
    rejections: list[Rejection] = []
    for index, raw in enumerate(raw_events):
        try:
            lines.append(parse_event(raw, received_at=received_at).line())
        except BadEvent as error:
            message_id = raw.get("messageId") if isinstance(raw, dict) else None
            rejections.append(
                Rejection(
                    index=index,
                    message_id=message_id if isinstance(message_id, str) else None,
                    field=error.field,
                    message=str(error),
                )
            )
    if lines:
        commit(InboxBody(received_at=received_at, events=b"".join(lines), count=len(lines)))
    return Receipt(accepted=len(lines), rejections=tuple(rejections))
