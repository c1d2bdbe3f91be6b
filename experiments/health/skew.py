"""Are there enough units for a skewed metric in arms of unequal size?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from experiments import figures
from experiments.contracts import Finding, Kind, Message, PlannedArm, PlannedMetric, Severity, gettext_noop
from experiments.health.context import HealthContext

Params = dict[str, str | int | float]

KEY = "skew"
UNITS_PER_SQUARED_SKEW = 355  # in the smaller arm
# Above 60/40. The skewness of a difference of means is in proportion to 1 / n_T² − 1 / n_C²: equal arms cancel it.
UNEQUAL = 1.5  # times as many units in one arm as in the other

UNKNOWN = gettext_noop("No metric is compared whose skewness is known.")
ENOUGH = gettext_noop(
    "No metric is too skewed for the units and shares of the arms: the largest skewness is %(skew).1f (%(metric)s)."
)
TOO_SKEWED = gettext_noop(
    "%(metric)s is so skewed (%(skew).1f) that the smaller of two unequal arms needs %(needed)s units: "
    "%(arm)s has %(n)s and is called worse too often where there is no effect."
)
TOO_SKEWED_DOWN = gettext_noop(
    "%(metric)s is so skewed (%(skew).1f) that the smaller of two unequal arms needs %(needed)s units: "
    "%(arm)s has %(n)s and is called better too often where there is no effect."
)
CAP_OR_BALANCE = gettext_noop(
    "Cap the metric at a high quantile, give the arms equal shares, or wait for more units before you read it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The smaller arm of a treatment and the control, on one metric."""

    metric: PlannedMetric
    arm: PlannedArm
    n: int
    skew: float

    @property
    def needed(self) -> float:
        return UNITS_PER_SQUARED_SKEW * self.skew**2


def check(context: HealthContext) -> Finding:
    """A warning where an arm with n < 355 · skewness² is compared with one that is more than 1.5 times as large."""
    skewed = [metric for metric in context.plan.metrics if _known(context, metric)]
    if not skewed:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=UNKNOWN))
    pairs = [pair for metric in skewed for pair in _unequal_pairs(context, metric) if pair.n < pair.needed]
    if not pairs:
        largest = max(skewed, key=lambda metric: abs(context.skew[metric.key]))
        params: Params = {"metric": largest.name, "skew": context.skew[largest.key]}
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=ENOUGH, params=params))
    worst = max(pairs, key=lambda pair: pair.needed / pair.n)
    return Finding(
        check=KEY,
        severity=Severity.WARNING,
        message=Message(
            template=TOO_SKEWED if worst.skew > 0 else TOO_SKEWED_DOWN,
            params={
                "metric": worst.metric.name,
                "skew": worst.skew,
                "arm": worst.arm.label,
                "needed": figures.count(math.ceil(worst.needed)),
                "n": figures.count(worst.n),
            },
        ),
        action=Message(template=CAP_OR_BALANCE),
    )


def _known(context: HealthContext, metric: PlannedMetric) -> bool:
    return metric.kind is Kind.MEAN and math.isfinite(context.skew.get(metric.key, math.nan))


def _unequal_pairs(context: HealthContext, metric: PlannedMetric) -> Iterator[_Pair]:
    measured = context.moments.get(metric.key, {})
    control, *treatments = ((arm, measured[arm.key].n if arm.key in measured else 0) for arm in context.plan.arms)
    for treatment in treatments:
        smaller, larger = sorted((control, treatment), key=lambda pair: pair[1])
        if smaller[1] and larger[1] > UNEQUAL * smaller[1]:
            yield _Pair(metric=metric, arm=smaller[0], n=smaller[1], skew=context.skew[metric.key])
