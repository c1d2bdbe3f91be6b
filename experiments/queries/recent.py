"""Recent units with the sums of each metric, one row per unit: what the A/A self-check divides at random.

A unit starts at its first event of any name within the dates, as if it had been exposed then. docs/queries.md shows the
shape of an experiment's steps, which these resemble.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from experiments.contracts import MetricDefinition, Unit
from experiments.queries.groups import Group, main_group
from experiments.queries.query import Query, Value
from experiments.queries.scope import UNIT_COLUMNS
from experiments.queries.terms import Terms


def recent_groups(metrics: Sequence[MetricDefinition]) -> tuple[Group, ...]:
    """The columns of each metric: numerator, denominator of a ratio, and the same before the unit's start.

    They are NULL for units that started too late for the metric's window.
    """
    return _bound(metrics)[1]


def recent_query(
    metrics: Sequence[MetricDefinition], *, unit: Unit, start: datetime, end: datetime, currency: str, limit: int
) -> Query:
    """The query for the columns of :func:`recent_groups`, one row per unit that was seen in the dates.

    Args:
        metrics: their positions name the columns.
        unit: what is randomised.
        start, end: the first is included, the last is not.
        currency: money in another one is left out.
        limit: at most so many units; which ones depends on nothing but their ids, and so does their order.
    """
    terms, groups = _bound(metrics)
    columns = [column for group in groups for column in group.units()]
    name, before = UNIT_COLUMNS[unit], terms.days_before
    earlier = f" - INTERVAL {before} DAY" if before else ""
    kinds = " ".join(f"WHEN $event_{kind} THEN {kind}" for kind in terms.events.values())
    # MD5, which all engines agree on: ids may follow the date of registration, and hashes follow nothing.
    sql = f"""WITH recent AS (
  SELECT {", ".join([f"{name} AS unit", "MIN(timestamp) AS first_at", *terms.bounds("MIN(timestamp)")])}
  FROM events
  WHERE {name} IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY {name}
  ORDER BY MD5({name})
  LIMIT $limit
), named AS (
  SELECT
    {name} AS unit,
    timestamp,
    value,
    CAST(CASE event {kinds} END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ({", ".join(f"$event_{kind}" for kind in terms.events.values())})
    AND timestamp >= $start{earlier} AND timestamp < $end
), sums AS (
  SELECT
    {_lines(["recent.unit", "first_at", *terms.sql()])}
  FROM recent
  LEFT JOIN named ON named.unit = recent.unit AND timestamp >= {terms.start("recent")}
  GROUP BY recent.unit, first_at
)
SELECT
    {_lines(columns)}
FROM sums
ORDER BY MD5(unit)"""  # noqa: S608  (every value is a parameter; identifiers are ours)
    values: dict[str, Value] = {"start": start, "end": end, "currency": currency, "limit": limit}
    if "$seen_until" in sql:
        values["seen_until"] = end
    return Query(sql=sql, parameters=values | {f"event_{kind}": event for event, kind in terms.events.items()})


def currency_query(*, start: datetime, end: datetime) -> Query:
    """At most one row: the ``currency`` of most events with money in the dates."""
    return Query(
        sql="""SELECT currency
FROM events
WHERE currency IS NOT NULL AND timestamp >= $start AND timestamp < $end
GROUP BY currency
ORDER BY COUNT(*) DESC, currency
LIMIT 1""",
        parameters={"start": start, "end": end},
    )


def _bound(metrics: Sequence[MetricDefinition]) -> tuple[Terms, tuple[Group, ...]]:
    terms = Terms()
    return terms, tuple(main_group(position, metric, terms, {}) for position, metric in enumerate(metrics))


def _lines(columns: Iterable[str]) -> str:
    return ",\n    ".join(columns)
