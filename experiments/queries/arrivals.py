"""When the units of the last days were seen first: the traffic that an experiment is planned with."""

from __future__ import annotations

from datetime import datetime

from experiments.contracts import Unit
from experiments.queries.query import Query
from experiments.queries.scope import UNIT_COLUMNS


def arrivals_query(*, unit: Unit, start: datetime, end: datetime) -> Query:
    """One row per day on which units came: ``day`` (0 begins at ``start``, each has 24 hours), ``units``.

    A unit comes with its first event of any name within the dates, as in :mod:`experiments.queries.recent`, and counts
    once. Days without new units have no row.

    Args:
        unit: what is randomised.
        start, end: the first is included, the last is not.
    """
    name = UNIT_COLUMNS[unit]
    # the difference before the seconds: a difference is exact to the microsecond, seconds since 1970 are not
    sql = f"""WITH recent AS (
  SELECT {name} AS unit, MIN(timestamp) AS first_at
  FROM events
  WHERE {name} IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY {name}
)
SELECT
    CAST(FLOOR(EXTRACT(EPOCH FROM first_at - $start) / 86400) AS INTEGER) AS day,
    COUNT(*) AS units
FROM recent
GROUP BY day
ORDER BY day"""  # noqa: S608  (every value is a parameter; identifiers are ours)
    return Query(sql=sql, parameters={"start": start, "end": end})


def dates_query() -> Query:
    """One row: ``first`` and ``last``, when the first and the last event happened, in seconds since 1970.

    NULL where there are no events. As numbers: DuckDB hands a moment to Python only where pytz is installed.
    """
    return Query(
        sql="""SELECT
    EXTRACT(EPOCH FROM MIN(timestamp)) AS first,
    EXTRACT(EPOCH FROM MAX(timestamp)) AS last
FROM events""",
        parameters={},
    )
