"""Events to acts: who did what with which item, when. One order of several items is an act with each of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import duckdb

from recommenders.contracts import Kind
from recommenders.errors import InvalidData

# An order names its item in a column of its own, or its items in the list ``products`` of Segment's vocabulary.
ACTS = """
CREATE OR REPLACE TEMP VIEW acts AS
SELECT user_id, timestamp, message_id, event, kind, UNNEST(item_ids) AS item_id
FROM (
  SELECT
    user_id, timestamp, message_id, event, kind,
    CASE
      WHEN item_id IS NOT NULL THEN [item_id]
      WHEN kind = {purchase} AND CONTAINS(properties, '"products"')
        THEN LIST_FILTER(JSON_EXTRACT_STRING(properties, '$.products[*].product_id'), LAMBDA id: id <> '')
      ELSE []
    END AS item_ids
  FROM past JOIN act_kinds USING (event)
)
"""


def create_acts(connection: duckdb.DuckDBPyConnection, *, kinds: Mapping[str, Kind], until: datetime) -> None:
    """Make the views ``past`` (events before ``until``) and ``acts`` beside the connection's ``events``.

    ``acts`` has the columns ``user_id, timestamp, message_id, event, kind, item_id``: one row for each event that
    ``kinds`` knows and each item of it; events without an item have no row.

    Raises:
        InvalidData: ``until`` has no time zone.
    """
    if until.tzinfo is None:
        raise InvalidData("until", f"{until.isoformat()} must have a time zone")
    # Parameters are not allowed in a view: the moment is written by us, and the names of events lie in a table.
    moment = until.astimezone(UTC).isoformat()
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW past AS SELECT * FROM events"  # noqa: S608
        f" WHERE user_id IS NOT NULL AND timestamp < TIMESTAMPTZ '{moment}'"
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE act_kinds (event VARCHAR PRIMARY KEY, kind TINYINT)")
    if kinds:
        rows = [(event, int(kind)) for event, kind in kinds.items()]
        connection.executemany("INSERT INTO act_kinds VALUES (?, ?)", rows)
    connection.execute(ACTS.format(purchase=int(Kind.PURCHASE)))
