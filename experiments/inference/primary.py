"""Which metric decides."""

from __future__ import annotations

from experiments.contracts import Plan, PlannedMetric, Role


def primary_metric(plan: Plan) -> PlannedMetric | None:
    """The metric declared primary, the first one where none is, None without metrics.

    >>> from experiments.contracts import Kind, Unit
    >>> clicks = PlannedMetric(key="ctr", name="CTR", kind=Kind.RATIO)
    >>> primary_metric(Plan(title="", unit=Unit.USER, arms=(), metrics=(clicks,))) is clicks
    True
    """
    declared = (metric for metric in plan.metrics if metric.role is Role.PRIMARY)
    return next(declared, plan.metrics[0] if plan.metrics else None)
