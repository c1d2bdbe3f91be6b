"""Refused events, kept for people to look at: the newest few thousand as they came, and counts of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import orjson
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from winnow.accounts.models import ApiKey
from winnow.events.errors import short
from winnow.events.ingest import Rejection
from winnow.events.models import RefusalCount, RefusedEvent
from winnow.events.schema import KINDS

MOST_KEPT = 10_000  # events; the oldest go first
LONGEST_KEPT = 2_000  # characters of the message as it came, so that all of them are 20 MB at most
MOST_OF_REQUEST = 100  # of one request are kept; all are counted
KEPT_FOR = timedelta(days=14)
OTHER = ""  # stands for every name that is not in the vocabulary: anybody could make up more of them


def keep(key: ApiKey, raws: Sequence[object], rejections: Sequence[Rejection]) -> None:
    """Keep what a request's rejections say, and the messages they mean. ``raws`` is the request as it came."""
    now = timezone.now()
    rows = [_row(key, raws[rejection.index], rejection) for rejection in rejections[:MOST_OF_REQUEST]]
    counts = Counter((_known_name(raws[rejection.index]), rejection.field) for rejection in rejections)
    with transaction.atomic():
        RefusedEvent.objects.bulk_create(rows)
        for (event, field), count in sorted(counts.items()):
            group, _ = RefusalCount.objects.get_or_create(
                key=key, event=event, field=field, day=now.date(), defaults={"last_at": now}
            )
            RefusalCount.objects.filter(pk=group.pk).update(count=F("count") + count, last_at=now)
        _drop_oldest()


def _drop_oldest() -> None:
    newest = RefusedEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    RefusedEvent.objects.filter(id__lte=newest - MOST_KEPT).delete()
    since = timezone.now() - KEPT_FOR
    RefusedEvent.objects.filter(received_at__lt=since).delete()
    RefusalCount.objects.filter(day__lt=since.date()).delete()


def _row(key: ApiKey, raw: object, rejection: Rejection) -> RefusedEvent:
    message = raw if isinstance(raw, dict) else {}
    return RefusedEvent(
        key=key,
        event=_text(message.get("event") or message.get("type")),
        user_id=_text(message.get("userId") or message.get("anonymousId")),
        experiment=_text(_properties(message).get("experiment")),
        message_id=_text(rejection.message_id),
        field=rejection.field,
        message=_text(rejection.message, longest=500),
        raw=_packed(raw),
    )


def _packed(raw: object) -> str:
    try:
        packed = orjson.dumps(raw).decode()
    except TypeError as error:  # nested too deeply
        packed = f"not shown: {error}"
    return _text(packed, longest=LONGEST_KEPT)


def _text(value: object, *, longest: int = 200) -> str:
    """A text that every database can store: PostgreSQL knows no NUL, and UTF-8 no halves of surrogate pairs."""
    text = value if isinstance(value, str) else "" if value is None else short(value)
    return text[:longest].replace("\0", "\ufffd").encode(errors="replace").decode()


def _properties(message: dict[str, object]) -> dict[str, object]:
    properties = message.get("properties")
    return properties if isinstance(properties, dict) else {}


def _known_name(raw: object) -> str:
    name = raw.get("event") if isinstance(raw, dict) else None
    return name if isinstance(name, str) and name in KINDS else OTHER
