"""What the lake's events are made of: names, properties and their types, noted batch by batch. Nothing is dropped.

The notes are bounded: clients can make names up. Counts may miss a batch whose compactor died at the wrong moment.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from winnow.events.models import SeenProperty

logger = logging.getLogger(__name__)

MOST_NOTES = 5_000  # (event, property, type); beyond that only known ones are counted
LONGEST_NAME = 200  # characters
MOST_LOOKED_AT = 50_000  # events of a batch whose properties are looked at; 8 properties of each take 0.2 s

# One row for each name of an event, and one for each property of it and each type that it has.
SEEN = f"""
WITH named AS (SELECT left(event, {LONGEST_NAME}) AS event, received_at, properties FROM new)
SELECT event, '' AS property, '' AS type, count(*), epoch_us(min(received_at)), epoch_us(max(received_at))
FROM named GROUP BY event
UNION ALL
SELECT event, left(part.key, {LONGEST_NAME}),
  CASE WHEN part.type IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT') THEN 'whole number'
    WHEN part.type = 'DOUBLE' THEN 'number' WHEN part.type = 'VARCHAR' THEN 'text'
    WHEN part.type = 'BOOLEAN' THEN 'true or false' WHEN part.type = 'ARRAY' THEN 'list'
    WHEN part.type = 'OBJECT' THEN 'object' ELSE 'null' END,
  count(*), epoch_us(min(received_at)), epoch_us(max(received_at))
FROM (FROM named WHERE properties <> '{{}}' USING SAMPLE {MOST_LOOKED_AT} ROWS (reservoir, 1)),
  json_each(properties) AS part
WHERE part.key <> ''
GROUP BY ALL
"""  # noqa: S608  (a number of our own)

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A property in a batch: how many events carry it, and when the first and the last of them was received."""

    key: Key  # event, property, type
    count: int
    first_at: datetime
    last_at: datetime


def look(connection: duckdb.DuckDBPyConnection) -> tuple[Seen, ...]:
    """What is in the table ``new``, most common first. What goes wrong here must not stop a compaction."""
    try:
        rows = connection.execute(f"FROM ({SEEN}) ORDER BY 4 DESC LIMIT {MOST_NOTES}").fetchall()
    except duckdb.Error as error:
        logger.warning("the properties of a batch were not noted: %s", error)
        return ()
    return tuple(
        Seen(key=(event, prop, kind), count=count, first_at=_moment(first), last_at=_moment(last))
        for event, prop, kind, count, first, last in rows
    )


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def note(seen: Sequence[Seen]) -> None:
    """Add what a batch holds to the notes. To be called in the transaction that says the batch is in the lake."""
    known = {_key(row): row for row in SeenProperty.objects.filter(event__in={one.key[0] for one in seen})}
    room = MOST_NOTES - SeenProperty.objects.count()
    new = [one for one in seen if one.key not in known]
    SeenProperty.objects.bulk_create(_rows(new[: max(room, 0)]))
    changed = []
    for one in seen:
        row = known.get(one.key)
        if row is not None:
            row.count += one.count
            row.first_at, row.last_at = min(row.first_at, one.first_at), max(row.last_at, one.last_at)
            changed.append(row)
    SeenProperty.objects.bulk_update(changed, ["count", "first_at", "last_at"], batch_size=200)


def _key(row: SeenProperty) -> Key:
    return row.event, row.property, row.type


def _rows(seen: Iterable[Seen]) -> list[SeenProperty]:
    return [
        SeenProperty(
            event=one.key[0],
            property=one.key[1],
            type=one.key[2],
            count=one.count,
            first_at=one.first_at,
            last_at=one.last_at,
        )
        for one in seen
    ]
