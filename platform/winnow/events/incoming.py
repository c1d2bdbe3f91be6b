"""The events of the last minutes, newest first, for people who look: from the inbox, the lake and the quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from pathlib import Path

import duckdb
import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from winnow.events.models import Batch, InboxBody, RefusedEvent
from winnow.events.warehouse import connect, parquet

MINUTES = 15
MOST = 100  # events that are shown
MOST_UNPACKED = 5_000  # events of the inbox that are looked through
MOST_FILES = 60  # of the lake's newest batches; they come every 15 seconds
COLUMNS = ("message_id", "event", "user_id", "anonymous_id", "experiment", "arm", "item_id", "campaign_id", "position")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events to show; "" is any. ``user`` is a user id or an anonymous id."""

    event: str = ""
    user: str = ""
    experiment: str = ""
    accepted: bool = True
    refused: bool = True

    def fits(self, row: dict[str, object]) -> bool:
        """Whether an event of the inbox is wanted."""
        return (
            self.event in ("", row["event"])
            and self.experiment in ("", row["experiment"])
            and (not self.user or self.user in (row["user_id"], row["anonymous_id"]))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One event as a line: ids only. ``refusal`` says why it was not accepted, "" where it was."""

    message_id: str
    received_at: datetime
    event: str
    user_id: str
    anonymous_id: str = ""
    experiment: str = ""
    arm: str = ""
    item_id: str = ""
    campaign_id: str = ""
    position: int | None = None
    refusal: str = ""


def incoming(wanted: Wanted) -> list[Incoming]:
    """At most ``MOST`` events of the last ``MINUTES`` minutes, newest first."""
    since = timezone.now() - timedelta(minutes=MINUTES)
    found: dict[tuple[str, str], Incoming] = {}
    with transaction.atomic():  # one view of inbox and batches, between which a compaction moves events
        waiting = list(_in_inbox(wanted, since)) if wanted.accepted else []
        batches = _recent_batches(since) if wanted.accepted else []
    for one in chain(waiting, _in_lake(wanted, since, batches), _refused(wanted, since) if wanted.refused else ()):
        found.setdefault((one.message_id, one.refusal), one)
    return sorted(found.values(), key=attrgetter("received_at"), reverse=True)[:MOST]


def _in_inbox(wanted: Wanted, since: datetime) -> Iterator[Incoming]:
    looked_at = shown = 0
    bodies = InboxBody.objects.filter(received_at__gte=since).order_by("-id")
    for count, body in bodies.values_list("count", "events").iterator(chunk_size=10):
        if looked_at >= MOST_UNPACKED or shown >= MOST:
            return
        looked_at += count
        for line in bytes(body).splitlines():
            row = orjson.loads(line)
            if wanted.fits(row):
                shown += 1
                yield _line({name: row[name] for name in COLUMNS}, row["received_at"])


def _recent_batches(since: datetime) -> list[int]:
    recent = Batch.objects.filter(committed_at__gte=since).order_by("-number")
    return list(recent.values_list("number", flat=True)[:MOST_FILES])


def _in_lake(wanted: Wanted, since: datetime, batches: Iterable[int]) -> list[Incoming]:
    """Of the files that the newest batches wrote; they stay in the folder when a day is rewritten."""
    values: list[object]
    files = [str(path) for batch in batches for path in Path(settings.LAKE).glob(f"day=*/batch-{batch}.parquet")]
    if not files:
        return []
    conditions, values = ["received_at >= make_timestamptz(?)"], [_microseconds(since)]
    for column, value in (("event", wanted.event), ("experiment", wanted.experiment)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    if wanted.user:
        conditions.append("? IN (user_id, anonymous_id)")
        values.append(wanted.user)
    sql = (
        f"SELECT {', '.join(COLUMNS)}, epoch_us(received_at) FROM {parquet(files)}"  # noqa: S608  (values are parameters)
        f" WHERE {' AND '.join(conditions)} ORDER BY received_at DESC LIMIT {MOST}"
    )
    with closing(connect()) as connection:
        try:
            rows = connection.execute(sql, values).fetchall()
        except duckdb.IOException:  # a file was removed meanwhile
            return []
    return [_line(dict(zip(COLUMNS, row[:-1], strict=True)), row[-1]) for row in rows]


def _refused(wanted: Wanted, since: datetime) -> Iterator[Incoming]:
    rows = RefusedEvent.objects.filter(received_at__gte=since).order_by("-id")
    for column, value in (("event", wanted.event), ("user_id", wanted.user), ("experiment", wanted.experiment)):
        if value:
            rows = rows.filter(**{column: value})
    for row in rows[:MOST]:
        yield Incoming(
            message_id=row.message_id or f"refused-{row.pk}",
            received_at=row.received_at,
            event=row.event,
            user_id=row.user_id,
            experiment=row.experiment,
            refusal=row.message,
        )


def _line(row: dict[str, object], received_at: int) -> Incoming:
    texts = {name: str(row[name] or "") for name in COLUMNS if name != "position"}
    position = row["position"]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=received_at)
    return Incoming(**texts, position=position if isinstance(position, int) else None, received_at=moment)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
