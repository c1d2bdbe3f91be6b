"""Units to moments in one pass: one row per arm, and per arm and segment.

Per-unit sums are integers (counts, minor units, scores), and so are the sums and products that come back: moments are
exact, whatever the order or the slices in which the events were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.contracts import MetricDefinition
from experiments.queries.groups import Group, main_group, other_groups
from experiments.queries.query import Query
from experiments.queries.scope import WHOLE, Scope
from experiments.queries.terms import Terms
from experiments.queries.units import unit_steps, unit_values
from experiments.stats.moments import Moments

ArmTotals = dict[str | None, dict[str, int | float]]


@dataclass(slots=True)
class Totals:
    """The sums of each arm (None: units in two arms), of everybody and by (dimension, segment)."""

    arms: ArmTotals = field(default_factory=dict)
    segments: dict[tuple[int, str], ArmTotals] = field(default_factory=dict)


def groups_of(
    metrics: Sequence[MetricDefinition],
    terms: Terms,
    *,
    caps: Mapping[str, int] | None = None,
    novelty: Sequence[str] = (),
    figures: tuple[str, ...] = (),
) -> tuple[Group, ...]:
    """The groups of columns of all metrics, named by the metric's position."""
    caps = caps or {}
    groups = [main_group(position, metric, terms, caps, figures) for position, metric in enumerate(metrics)]
    for position, metric in enumerate(metrics):
        groups += other_groups(position, metric, terms, caps=caps, novelty=novelty)
    return tuple(groups)


def moments_query(
    scope: Scope,
    metrics: Sequence[MetricDefinition],
    *,
    caps: Mapping[str, int] | None = None,
    novelty: Sequence[str] = (),
    buckets: tuple[int, int] = WHOLE,
) -> Query:
    """The query for all metrics of an experiment over the users of some buckets (first included, last not).

    Returns one row per arm: ``arm, n, foreign_money`` and the sums of each group; with segments also one per arm and
    segment, told apart by ``dimension`` (-1 for everybody) and ``segment``.

    Args:
        scope: which events, and by which segments.
        metrics: their positions name the groups.
        caps: metric key → value at which units are capped.
        novelty: keys of the metrics whose change from week to week is wanted.
        buckets: slice of the users.
    """
    terms = Terms()
    groups = groups_of(metrics, terms, caps=caps, novelty=novelty, figures=scope.figures)
    timed = any(group.ripe_days is not None for group in groups)
    units = [column for group in groups for column in group.units()]
    sums = [sql for group in groups for sql in _sums(group)]
    sql = f"""WITH {unit_steps(scope, terms, units, buckets=buckets, timed=timed)}, moments AS (
  SELECT
    {_lines([*_keys(scope), "COUNT(*) AS n", "SUM(foreign_money) AS foreign_money", *sums])}
  FROM units
  GROUP BY {_grouping(scope)}
)
SELECT * FROM moments ORDER BY {"dimension, segment, arm" if scope.segments else "arm"}"""  # noqa: S608  (ours)
    values = unit_values(scope, terms, buckets=buckets, timed=timed)
    values |= {f"cap_{i}": caps[metric.key] for i, metric in enumerate(metrics) if caps and metric.key in caps}
    return Query(sql=sql, parameters=values)


def _keys(scope: Scope) -> list[str]:
    if not scope.segments:
        return ["arm"]
    places = range(len(scope.segments))
    dimension = " ".join(f"WHEN GROUPING(s{i}) = 0 THEN {i}" for i in places)
    segment = " ".join(f"WHEN GROUPING(s{i}) = 0 THEN s{i}" for i in places)
    return ["arm", f"CASE {dimension} ELSE -1 END AS dimension", f"CASE {segment} ELSE '' END AS segment"]


def _grouping(scope: Scope) -> str:
    if not scope.segments:
        return "arm"
    return f"GROUPING SETS ((arm), {', '.join(f'(arm, s{i})' for i in range(len(scope.segments)))})"


def _sums(group: Group) -> list[str]:
    """Σ a and Σ a·b over the columns of a group. 19 digits hold every BIGINT, and 38 its square."""
    wide = [f"CAST({name} AS DECIMAL(19, 0))" for name in group.names]
    sums = [f"COUNT({group.names[0]}) AS {group.name}_n"] if group.ripe_days is not None else []
    sums += [f"SUM({name}) AS {name}_sum" for name in group.names]
    for i, left in enumerate(wide):
        sums += [f"SUM({left} * {wide[j]}) AS {group.name}_{i}_{j}_sum" for j in range(i, len(wide))]
    if group.cubes:
        sums.append(f"SUM(POWER(CAST({group.names[0]} AS DOUBLE PRECISION), 3)) AS {group.name}_cubes")
    return sums


def add_rows(totals: Totals, rows: Iterable[Mapping[str, object]]) -> None:
    """Add the rows of one slice to the totals. Integers add up exactly."""
    for row in rows:
        arm = None if row["arm"] is None else str(row["arm"])
        dimension = int(str(row.get("dimension", -1)))
        arms = totals.arms if dimension < 0 else totals.segments.setdefault((dimension, str(row["segment"])), {})
        sums = arms.setdefault(arm, {})
        for column, value in row.items():
            if column not in ("arm", "dimension", "segment"):
                number = value if isinstance(value, float) else int(str(0 if value is None else value))
                sums[column] = sums.get(column, 0) + number


def moments_of(sums: Mapping[str, int | float], group: Group) -> Moments:
    """The moments of one group in one arm, from that arm's totals."""
    size = range(len(group.columns))
    return Moments.from_integer_sums(
        n=units_of(sums, group),
        sums=[int(sums[f"{group.name}_{i}_sum"]) for i in size],
        products=[[int(sums[f"{group.name}_{min(i, j)}_{max(i, j)}_sum"]) for j in size] for i in size],
    )


def units_of(sums: Mapping[str, int | float], group: Group) -> int:
    """How many units of an arm count for a group."""
    return int(sums[f"{group.name}_n" if group.ripe_days is not None else "n"])


def skew_of(arms: Iterable[Mapping[str, int | float]], group: Group) -> float:
    """The skewness of a group's first column over the units of all arms, g = m₃ / m₂^1.5; nan without spread."""
    arms = list(arms)
    n = sum(units_of(sums, group) for sums in arms)
    if not n:
        return float("nan")
    name = group.name
    mean, square, cube = (sum(sums[f"{name}_{part}"] for sums in arms) / n for part in ("0_sum", "0_0_sum", "cubes"))
    var = square - mean * mean
    if var <= 1e-12 * square:
        return float("nan")
    return float((cube - 3 * mean * square + 2 * mean**3) / var**1.5)


def _lines(columns: Iterable[str]) -> str:
    return ",\n    ".join(columns)
