"""Events to units: ``exposures → named → events → sums → units``, the steps that every query of an experiment shares.

docs/queries.md shows the shape of each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from experiments.queries.profiles import NONE, column_name, segment_column
from experiments.queries.query import Value
from experiments.queries.scope import WHOLE, Scope
from experiments.queries.terms import Terms


def unit_steps(scope: Scope, terms: Terms, columns: Sequence[str], *, buckets: tuple[int, int], timed: bool) -> str:
    """The common table expressions up to ``units``: one row per exposed unit with ``arm`` and its columns.

    The arm is NULL for units that were exposed to two arms. A unit counts from its first exposure; an event at that
    very moment counts. The exposure is among the events, so every exposed unit has a row. ``timed`` keeps ``first_at``.
    """
    unit, slice_ = scope.unit_column, "" if buckets == WHOLE else " AND bucket >= $bucket_low AND bucket < $bucket_high"
    before = terms.days_before
    kinds = " ".join(f"WHEN $event_{kind} THEN {kind}" for kind in terms.events.values())
    names = ", ".join(f"$event_{kind}" for kind in terms.events.values())
    known = ", ".join(["exposures.id", "exposures.arm", "exposures.first_at", *terms.names("exposures")])
    after = " FILTER (WHERE timestamp >= first_at)" if before else ""
    segments = [f"s{i}" for i in range(len(scope.segments))]
    twice = bool(segments or scope.figures)
    # A small number for each event name and each unit: comparing and grouping texts is what costs most here.
    # What is known of units is joined last: the exposures are read twice, and must both times have the same numbers.
    return f"""exposures AS {"MATERIALIZED " if twice else ""}(
  SELECT
    {_lines(_exposure_columns(scope, terms))}
  FROM events
  WHERE event = $event_0 AND experiment = $experiment AND {unit} IS NOT NULL AND {scope.dates()}{slice_}
  GROUP BY {unit}
), named AS (
  SELECT
    {unit} AS unit,
    timestamp,
    value,
    CAST(CASE event {kinds} END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ({names}) AND {scope.dates(before)}{slice_}
), events AS (
  SELECT {known}, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= {terms.start("exposures")}
), sums AS (
  SELECT
    {_lines(["id", "arm"] if twice else ["arm"])},
    SUM(foreign_money){after} AS foreign_money,
    {_lines([*(["MIN(first_at) AS first_at"] if timed else []), *terms.sql()])}
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    {_lines(["arm", "foreign_money", *segments, *columns])}
  FROM sums{_known(scope)}
)"""  # noqa: S608  (every value is a parameter; identifiers are ours)


def unit_values(scope: Scope, terms: Terms, *, buckets: tuple[int, int], timed: bool) -> dict[str, Value]:
    """The parameters of these steps."""
    low, high = buckets
    values: dict[str, Value] = {"experiment": scope.experiment, "currency": scope.currency, **scope.date_values()}
    if buckets != WHOLE:
        values |= {"bucket_low": low, "bucket_high": high}
    if timed:
        values["seen_until"] = scope.watched_until
    values |= {f"event_{kind}": event for event, kind in terms.events.items()}
    return values | {
        f"segment_{i}": f'$."{name}"' for i, name in enumerate(scope.segments) if segment_column(name) is None
    }


def _known(scope: Scope) -> str:
    """The join that tells what is known of each unit: its segments and the figures of its profile."""
    columns = [f"s{i}" for i, name in enumerate(scope.segments) if segment_column(name) is None]
    profile = [
        f"COALESCE(profiles.{column}, '{NONE}') AS s{i}"
        for i, column in enumerate(map(segment_column, scope.segments))
        if column is not None
    ]
    profile += [f"profiles.{figure} AS {column_name(figure)}" for figure in scope.figures]
    if not columns and not profile:
        return ""
    source = "exposures LEFT JOIN profiles ON profiles.user_id = exposures.unit" if profile else "exposures"
    return f" JOIN (SELECT {', '.join(['id', *columns, *profile])} FROM {source}) AS known USING (id)"  # noqa: S608


def _exposure_columns(scope: Scope, terms: Terms) -> list[str]:
    columns = [
        "ROW_NUMBER() OVER () AS id",
        f"{scope.unit_column} AS unit",
        "MIN(timestamp) AS first_at",
        "CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm",
    ]
    # Of the first exposure, with or without the property: a segment must be known before the arm can change it. Of two
    # at the same moment the smaller text, whichever is read first.
    values = {
        i: f"COALESCE(JSON_EXTRACT_STRING(properties, $segment_{i}), '')"
        for i, name in enumerate(scope.segments)
        if segment_column(name) is None
    }
    segments = (f"ARG_MIN({value}, ROW(timestamp, {value})) AS s{i}" for i, value in values.items())
    return [*columns, *terms.bounds("MIN(timestamp)"), *segments]


def _lines(columns: Iterable[str]) -> str:
    return ",\n    ".join(columns)
