"""Events to moments in one pass: ``exposures → events → units → moments``, one row per arm.

Per-unit sums are integers (counts, minor units, scores), and so are the sums and products that come back: moments are
exact, whatever the order or the slices in which the events were read. docs/queries.md shows the shape of each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from experiments.contracts import MetricDefinition, Term, Unit
from experiments.queries.columns import unit_columns
from experiments.queries.query import Query, Value
from experiments.stats.moments import Moments

EXPOSURE = "Experiment Viewed"
BUCKETS = 64  # of the ``bucket`` column: a stable hash of the user

UNIT_COLUMNS = {Unit.USER: "user_id", Unit.IMPRESSION: "ranking_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which events belong to an experiment. ``start`` is included, ``end`` is not; without an end all later ones do."""

    experiment: str
    unit: Unit
    start: datetime
    end: datetime | None
    currency: str


@dataclass(slots=True)
class _Terms:
    """What the metrics of a query count and sum, each event name and each term once."""

    events: dict[str, int] = field(default_factory=lambda: {EXPOSURE: 0})  # name → kind
    columns: dict[tuple[str, bool, int | None], str] = field(default_factory=dict)  # → name of the per-unit sum

    def bind(self, term: Term, window_days: int | None) -> str:
        self.events.setdefault(term.event, len(self.events))
        return self.columns.setdefault((term.event, term.value, window_days), f"t{len(self.columns)}")

    def sql(self) -> list[str]:
        return [f"{self._sum(*term)} AS {name}" for term, name in self.columns.items()]

    def _sum(self, event: str, value: bool, window_days: int | None) -> str:
        condition = f"kind = {self.events[event]}"
        if window_days is not None:
            condition += f" AND timestamp < first_at + INTERVAL {int(window_days)} DAY"
        if value:
            return f"COALESCE(SUM(value) FILTER (WHERE {condition} AND foreign_money = 0), 0)"
        return f"COUNT(*) FILTER (WHERE {condition})"


def _sums(columns: Sequence[str]) -> list[str]:
    """Σ a and Σ a·b over the columns of one metric. 19 digits hold every BIGINT, and 38 its square."""
    wide = {column: f"CAST({column} AS DECIMAL(19, 0))" for column in columns}
    sums = [f"SUM({column}) AS {column}_sum" for column in columns]
    for i, left in enumerate(columns):
        sums += [f"SUM({wide[left]} * {wide[right]}) AS {_product(left, right)}" for right in columns[i:]]
    return sums


def _product(left: str, right: str) -> str:
    return f"{left}_{right}_sum"


def column_names(position: int, metric: MetricDefinition) -> tuple[str, ...]:
    """The names of a metric's columns in the ``units`` step, by its position in the query."""
    return (f"m{position}_y", f"m{position}_v")[: 2 if metric.denominator else 1]


def moments_query(
    scope: Scope, metrics: Sequence[MetricDefinition], *, buckets: tuple[int, int] = (0, BUCKETS)
) -> Query:
    """The query for all metrics of an experiment over the users of some buckets (first included, last not).

    Returns one row per arm: ``arm, n, foreign_money`` and the sums of each metric. The arm is NULL for units that were
    exposed to two arms. A unit counts from its first exposure; an event at that very moment counts. The exposure is
    among the events, so every exposed unit has a row.
    """
    terms = _Terms()
    units: list[str] = []
    moments: list[str] = []
    for position, metric in enumerate(metrics):
        names = column_names(position, metric)
        units += [f"{sql} AS {name}" for sql, name in zip(unit_columns(metric, terms.bind), names, strict=True)]
        moments += _sums(names)
    unit = UNIT_COLUMNS[scope.unit]
    whole = buckets == (0, BUCKETS)
    within = _dates(scope) + ("" if whole else " AND bucket >= $bucket_low AND bucket < $bucket_high")
    kinds = " ".join(f"WHEN $event_{kind} THEN {kind}" for kind in terms.events.values())
    # A small number for each event name and each unit: comparing and grouping texts is what costs most here.
    sql = f"""WITH exposures AS (
  SELECT
    ROW_NUMBER() OVER () AS id,
    {unit} AS unit,
    MIN(timestamp) AS first_at,
    CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm
  FROM events
  WHERE event = $event_0 AND experiment = $experiment AND {unit} IS NOT NULL AND {within}
  GROUP BY {unit}
), named AS (
  SELECT
    {unit} AS unit,
    timestamp,
    value,
    CAST(CASE event {kinds} END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ({", ".join(f"$event_{kind}" for kind in terms.events.values())}) AND {within}
), events AS (
  SELECT exposures.id, exposures.arm, exposures.first_at, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= exposures.first_at
), sums AS (
  SELECT
    arm,
    SUM(foreign_money) AS foreign_money,
    {_lines(terms.sql())}
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    arm,
    foreign_money,
    {_lines(units)}
  FROM sums
), moments AS (
  SELECT
    arm,
    COUNT(*) AS n,
    SUM(foreign_money) AS foreign_money,
    {_lines(moments)}
  FROM units
  GROUP BY arm
)
SELECT * FROM moments ORDER BY arm"""  # noqa: S608  (every value is a parameter; identifiers are ours)
    low, high = buckets
    slice_values: dict[str, Value] = {} if whole else {"bucket_low": low, "bucket_high": high}
    values: dict[str, Value] = {
        "experiment": scope.experiment,
        "currency": scope.currency,
        **slice_values,
        **_date_values(scope),
        **{f"event_{kind}": event for event, kind in terms.events.items()},
    }
    return Query(sql=sql, parameters=values)


def left_out_query(scope: Scope) -> Query:
    """Exposures that the analysis cannot use: outside the experiment's dates, or without the id of their unit."""
    return Query(
        sql=f"""SELECT
  COUNT(*) FILTER (WHERE NOT ({_dates(scope)})) AS outside_dates,
  COUNT(*) FILTER (WHERE {_dates(scope)} AND {UNIT_COLUMNS[scope.unit]} IS NULL) AS without_unit
FROM events
WHERE event = $event_0 AND experiment = $experiment""",  # noqa: S608  (the identifier is ours)
        parameters={"event_0": EXPOSURE, "experiment": scope.experiment, **_date_values(scope)},
    )


def _dates(scope: Scope) -> str:
    return "timestamp >= $start" + ("" if scope.end is None else " AND timestamp < $end")


def _date_values(scope: Scope) -> dict[str, Value]:
    dates: dict[str, Value] = {"start": scope.start}
    return dates if scope.end is None else dates | {"end": scope.end}


ArmTotals = dict[str | None, dict[str, int]]


def add_rows(totals: ArmTotals, rows: Iterable[Mapping[str, object]]) -> None:
    """Add the rows of one slice to the totals. All columns are integers and add up exactly."""
    for row in rows:
        arm = None if row["arm"] is None else str(row["arm"])
        sums = totals.setdefault(arm, {})
        for column, value in row.items():
            if column != "arm":
                sums[column] = sums.get(column, 0) + int(str(value))


def moments_of(sums: Mapping[str, int], position: int, metric: MetricDefinition) -> Moments:
    """The moments of one metric in one arm, from that arm's totals."""
    names = column_names(position, metric)
    products = [[sums[_product(*sorted((a, b), key=names.index))] for b in names] for a in names]
    return Moments.from_integer_sums(n=sums["n"], sums=[sums[f"{name}_sum"] for name in names], products=products)


def _lines(columns: Iterable[str]) -> str:
    return ",\n    ".join(columns)
