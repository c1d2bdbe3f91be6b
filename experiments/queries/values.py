"""Every distinct value of a metric and how many units of each arm have it: for quantiles, ranks and caps."""

from __future__ import annotations

from dataclasses import replace

from experiments.contracts import Kind, MetricDefinition
from experiments.queries.groups import columns_of, ripe_days
from experiments.queries.query import Query
from experiments.queries.scope import WHOLE, Scope
from experiments.queries.terms import Terms
from experiments.queries.units import unit_steps, unit_values


def values_query(
    scope: Scope, metric: MetricDefinition, *, numerator: bool = False, buckets: tuple[int, int] = WHOLE
) -> Query:
    """One row per arm and value: ``arm, value, n``.

    A ratio's value is the unit's own, without a denominator it has none; or its ``numerator``, which is what a cap
    limits. Units in two arms, and units that had no time to respond, are left out.
    """
    terms, scope = Terms(), replace(scope, figures=())  # nothing is adjusted here
    columns = columns_of(metric, terms)
    value = columns[0]
    if metric.kind is Kind.RATIO and not numerator:
        value = f"CAST({columns[0]} AS DOUBLE PRECISION) / NULLIF({columns[1]}, 0)"
    days = ripe_days(metric)
    timed = days is not None
    if timed:
        value = f"CASE WHEN first_at <= $seen_until - INTERVAL {days} DAY THEN {value} END"
    sql = f"""WITH {unit_steps(scope, terms, [f"{value} AS value"], buckets=buckets, timed=timed)}
SELECT arm, value, COUNT(*) AS n
FROM units
WHERE arm IS NOT NULL AND value IS NOT NULL
GROUP BY arm, value
ORDER BY arm, value"""  # noqa: S608  (every value is a parameter; identifiers are ours)
    return Query(sql=sql, parameters=unit_values(scope, terms, buckets=buckets, timed=timed))
