"""Other views of a metric's data, beside its comparison: Bayesian, and of whole distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.contracts import Comparison, Kind, Plan, PlannedMetric, Posterior, Superiority
from experiments.evidence import Evidence
from experiments.inference.estimates import Measured
from experiments.stats.bayes import Prior, posterior
from experiments.stats.counts import Counts
from experiments.stats.ranks import superiority


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
    """One per treatment where the values of all units are known and the metric is no quantile itself."""
    values = evidence.values.get(metric.key)
    if metric.kind is Kind.QUANTILE or values is None:
        return ()
    control, *treatments = (arm.key for arm in plan.arms)
    nothing = Counts.from_values([])
    return tuple(
        replace(
            superiority(values.get(control, nothing), values.get(arm, nothing), alpha=plan.alpha),
            arm=arm,
        )
        for arm in treatments
    )
