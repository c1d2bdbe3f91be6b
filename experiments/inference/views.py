"""Other views of a metric's data, beside its comparison: Bayesian, and of whole distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from experiments.contracts import (
    Comparison,
    Kind,
    Looks,
    Plan,
    PlannedMetric,
    Posterior,
    Reason,
    Stopping,
    Superiority,
)
from experiments.evidence import Evidence
from experiments.inference.estimates import Measured
from experiments.inference.ripeness import ripe
from experiments.inference.rules import Contrast, look_rule
from experiments.stats.bayes import Prior, posterior
from experiments.stats.counts import Counts
from experiments.stats.estimate import Estimate
from experiments.stats.ranks import EVEN, superiority


def posteriors_of(
    plan: Plan, metric: PlannedMetric, measured: Measured, comparisons: Sequence[Comparison]
) -> tuple[Posterior, ...]:
    """One per treatment, from its effect and standard error; the prior is the plan's, none by default."""
    control = measured.contrasts[0].control.mean if measured.contrasts else 0.0
    prior = Prior.relative(plan.prior_sd, control) if plan.prior_sd else None
    return tuple(
        posterior(
            effect=one.effect,
            se=one.se,
            direction=metric.direction,
            alpha=plan.alpha,
            prior=prior,
            arm=one.arm,
        )
        for one in comparisons
    )


def superiorities_of(plan: Plan, metric: PlannedMetric, evidence: Evidence) -> tuple[Superiority, ...]:
    """One per treatment where the values of all units are known and the metric is no quantile itself.

    Like the comparison, it accounts for the looks that the plan allows.
    """
    values = evidence.values.get(metric.key)
    if metric.kind is Kind.QUANTILE or values is None:
        return ()
    nothing = Counts.from_values([])
    control, *treatments = (values.get(arm.key, nothing) for arm in plan.arms)
    return tuple(
        _at_looks(
            plan, evidence.looks, superiority(control, treatment, alpha=plan.alpha, arm=arm.key), control, treatment
        )
        for arm, treatment in zip(plan.arms[1:], treatments, strict=True)
    )


def _at_looks(plan: Plan, looks: Looks, found: Superiority, control: Counts, treatment: Counts) -> Superiority:
    """The same judged by the rule of the looks; the test statistic is (probability − ½) / se."""
    if plan.stopping is Stopping.ONCE or math.isnan(found.p_value):
        return found
    sides = (Estimate(n=one.n, mean=math.nan, var=math.nan) for one in (control, treatment))
    contrast = ripe(plan, Contrast(arm=found.arm, control=next(sides), treatment=next(sides)), conversions=(None, None))
    if contrast.treatment.reasons:
        return _withheld(found, contrast.treatment.reasons)
    rule = look_rule(plan, looks, contrast)
    p_value, _ = rule.p_value((found.probability - EVEN) / found.se, found.df)
    critical = rule.critical(plan.alpha, found.df)
    if math.isinf(critical):
        return _withheld(found, (Reason.TOO_EARLY,))
    margin = critical * found.se
    low, high = max(found.probability - margin, 0.0), min(found.probability + margin, 1.0)
    if p_value > plan.alpha:
        low, high = min(low, EVEN), max(high, EVEN)
    return replace(found, ci_low=low, ci_high=high, p_value=p_value)


def _withheld(found: Superiority, reasons: tuple[Reason, ...]) -> Superiority:
    """The probability alone."""
    return replace(found, ci_low=math.nan, ci_high=math.nan, p_value=math.nan, reasons=reasons)
