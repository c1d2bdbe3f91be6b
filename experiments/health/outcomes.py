"""Have the units that had time to respond an outcome, and equally so in every arm?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scipy import special

from experiments import figures
from experiments.contracts import Finding, Message, PlannedArm, PlannedMetric, Severity, gettext_noop
from experiments.health.context import HealthContext
from experiments.inference.primary import primary_metric

Params = dict[str, str | int | float]

KEY = "outcomes"
UNEVEN_P = 0.001
# As in the check ``two_arms``: a share s that is missing from one arm only moves its mean by up to s·|k − 1| where
# those units behave k times as the others.
FAILURE_GAP = 0.01
WARNING_SHARE = 0.05
SMALLEST_P = 1e-300  # below, a p-value is only said to be less
FEWEST_EXPECTED = 5  # missing and present in every arm, below which the chi-square distribution does not hold

COMPLETE = gettext_noop("No outcome is missing.")
FEW = gettext_noop("%(share).2f%% of the outcomes of %(metric)s are missing, evenly enough between the arms.")
MANY = gettext_noop("%(share).1f%% of the outcomes of %(metric)s are missing; the result is about the other units.")
UNEVEN = gettext_noop(
    "Outcomes of %(metric)s are missing unevenly: of %(least)s %(least_share).2f%%, of %(most)s %(most_share).2f%% "
    "(p = %(p)s)."
)
WHO_IS_LEFT = gettext_noop("Find out whose outcomes are missing, and whether the result would hold for them.")
DO_NOT_READ = gettext_noop(
    "Do not read this metric: its arms no longer hold the same kind of units. Find why outcomes get lost, or choose a "
    "metric that every unit has."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """``share`` is of the units that had time to respond; ``shares`` by arm are of all units."""

    metric: PlannedMetric
    share: float
    shares: tuple[tuple[float, PlannedArm], ...]  # the smallest first
    p_value: float  # nan where the arms cannot be compared
    primary: bool

    @property
    def uneven(self) -> bool:
        return self.p_value < UNEVEN_P

    @property
    def severity(self) -> Severity:
        if self.uneven and self.primary and self.shares[-1][0] - self.shares[0][0] > FAILURE_GAP:
            return Severity.FAILURE
        return Severity.WARNING if self.uneven or self.share > WARNING_SHARE else Severity.OK


def check(context: HealthContext) -> Finding:
    """The worst metric: uneven with p < .001 is a failure of the primary one where the gap is above 1 point.

    Otherwise uneven is a warning, and so is more than 5 % missing in all. Scores that only some units give are the
    business of the check ``responses``.
    """
    order = (Severity.OK, Severity.WARNING, Severity.FAILURE)
    given = [metric for metric in context.plan.metrics if metric.key not in context.responses]
    found = [missing for metric in given for missing in _missing(context, metric)]
    if not found:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=COMPLETE))
    worst = max(found, key=lambda one: (order.index(one.severity), one.uneven, one.share))
    if worst.uneven:
        return Finding(check=KEY, severity=worst.severity, message=_uneven(worst), action=Message(template=DO_NOT_READ))
    params: Params = {"metric": worst.metric.name, "share": 100 * worst.share}
    if worst.severity is Severity.OK:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=FEW, params=params))
    return Finding(
        check=KEY,
        severity=worst.severity,
        message=Message(template=MANY, params=params),
        action=Message(template=WHO_IS_LEFT),
    )


def _uneven(missing: _Missing) -> Message:
    (least_share, least), (most_share, most) = missing.shares[0], missing.shares[-1]
    return Message(
        template=UNEVEN,
        params={
            "metric": missing.metric.name,
            "least": least.label,
            "least_share": 100 * least_share,
            "most": most.label,
            "most_share": 100 * most_share,
            "p": figures.p_value(missing.p_value, math.log(max(missing.p_value, SMALLEST_P))),
        },
    )


def _missing(context: HealthContext, metric: PlannedMetric) -> Iterator[_Missing]:
    """Nothing where every unit that had time to respond has a value, or where the metric was not measured at all."""
    measured = context.moments.get(metric.key)
    arms = [arm for arm in context.plan.arms if context.units.get(arm.key)]
    if not measured or not arms:
        return
    units = [context.units[arm.key] for arm in arms]
    absent = [
        max(n - (measured[arm.key].n if arm.key in measured else 0), 0) for arm, n in zip(arms, units, strict=True)
    ]
    immature = min(context.immature.get(metric.key, 0), sum(absent))
    missing = sum(absent) - immature
    if missing <= 0:
        return
    shares = ((count / n, arm) for count, n, arm in zip(absent, units, arms, strict=True))
    yield _Missing(
        metric=metric,
        share=missing / (sum(units) - immature),
        shares=tuple(sorted(shares, key=lambda pair: pair[0])),
        p_value=evenness_p(absent, units),
        primary=metric == primary_metric(context.plan),
    )


def evenness_p(absent: list[int], units: list[int]) -> float:
    """Pearson's chi-square test that the same share is absent from every arm: X² = Σ (x_j − n_j q)² / (n_j q (1 − q)).

    Units that had no time to respond are among the absent: assignment at random spreads them evenly too.
    """
    q = sum(absent) / sum(units)
    if len(units) < 2 or min(units) * min(q, 1 - q) < FEWEST_EXPECTED:
        return math.nan
    statistic = math.fsum((x - n * q) ** 2 / (n * q * (1 - q)) for x, n in zip(absent, units, strict=True))
    return float(special.chdtrc(len(units) - 1, statistic))
