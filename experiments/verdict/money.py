"""What a treatment is worth: its effect on revenue, over all units of the experiment, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments import figures
from experiments.contracts import Kind, Message, MetricResult, Plan, Scale, gettext_noop
from experiments.inference.primary import primary_metric

WORTH = gettext_noop(
    "Had all %(units)s units seen %(arm)s, %(metric)s would differ by %(effect)s in all "
    "(%(level)g%% interval %(low)s to %(high)s)."
)


def money(plan: Plan, metrics: Sequence[MetricResult], position: int) -> Message | None:
    """The sentence for the treatment at this position; None without money per unit, or where data cannot answer."""
    result = _revenue(plan, metrics)
    if result is None or math.isnan(result.comparisons[position].ci_low):
        return None
    comparison = result.comparisons[position]
    units = sum(arm.n for arm in result.arms)
    parts = [units * part for part in (comparison.effect, comparison.ci_low, comparison.ci_high)]
    spread = figures.half_width(parts[1], parts[2])
    effect, low, high = (figures.difference(part, Scale.MONEY, plan.currency, spread=spread) for part in parts)
    return Message(
        template=WORTH,
        params={
            "units": figures.count(units),
            "arm": plan.arms[position + 1].label,
            "metric": result.metric.name,
            "effect": effect,
            "low": low,
            "high": high,
            "level": 100 * (1 - plan.alpha),
        },
    )


def _revenue(plan: Plan, metrics: Sequence[MetricResult]) -> MetricResult | None:
    """The primary metric if it is money per unit, otherwise the first that is."""
    per_unit = [one for one in metrics if one.metric.scale is Scale.MONEY and one.metric.kind is Kind.MEAN]
    primary = primary_metric(plan)
    return next((one for one in per_unit if one.metric == primary), per_unit[0] if per_unit else None)
