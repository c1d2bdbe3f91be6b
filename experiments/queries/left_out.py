"""How far the log goes, and exposures that the analysis cannot use."""

from __future__ import annotations

from experiments.queries.query import Query
from experiments.queries.scope import EXPOSURE, Scope


def extent_query(scope: Scope) -> Query:
    """One row: when the ``last`` event within the dates happened, in microseconds since 1970; NULL without events."""
    return Query(
        sql=f"""SELECT {_microseconds("MAX(timestamp)")} AS last
FROM events
WHERE {scope.dates()}""",  # noqa: S608  (identifiers are ours)
        parameters=scope.date_values(),
    )


def left_out_query(scope: Scope) -> Query:
    """One row about the experiment's exposures: those outside its dates or without the id of their unit.

    ``first`` is the first one within the dates, in microseconds since 1970. ``received`` counts those that came in
    within two days of the end of the log (``scope.seen_until``), ``late`` those of them that came more than a day after
    they happened: history that was imported later says nothing about lateness.
    """
    unit = scope.unit_column
    live = f"{scope.dates()} AND received_at < $seen_until + INTERVAL 2 DAY"
    return Query(
        sql=f"""SELECT
  COUNT(*) FILTER (WHERE NOT ({scope.dates()})) AS outside_dates,
  COUNT(*) FILTER (WHERE {scope.dates()} AND {unit} IS NULL) AS without_unit,
  {_microseconds(f"MIN(timestamp) FILTER (WHERE {scope.dates()})")} AS first,
  COUNT(*) FILTER (WHERE {live}) AS received,
  COUNT(*) FILTER (WHERE {live} AND received_at >= timestamp + INTERVAL 1 DAY) AS late
FROM events
WHERE event = $event_0 AND experiment = $experiment""",  # noqa: S608  (the identifier is ours)
        parameters={
            "event_0": EXPOSURE,
            "experiment": scope.experiment,
            "seen_until": scope.watched_until,
            **scope.date_values(),
        },
    )


def _microseconds(moment: str) -> str:
    """As a number: DuckDB hands a timestamptz to Python only where pytz is installed.

    From 2038 on, 2³¹ seconds after 1970, its DOUBLE is one microsecond off now and then.
    """
    return f"CAST(EXTRACT(EPOCH FROM {moment}) * 1000000 AS BIGINT)"
