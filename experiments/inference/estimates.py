"""The arms of one metric as numbers with a variance: plain, adjusted, or a quantile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from experiments.contracts import ArmSummary, Kind, Plan, PlannedMetric
from experiments.evidence import Evidence
from experiments.inference.rules import Contrast
from experiments.stats.adjustment import adjust
from experiments.stats.counts import Counts
from experiments.stats.estimate import estimate, summarise, width_of
from experiments.stats.moments import Moments, merge_all
from experiments.stats.quantile import quantile_estimate
from experiments.stats.strata import poststratify


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Arms in the plan's order, control first, and each treatment's contrast with control."""

    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    reduction: float = float("nan")


def measure(plan: Plan, metric: PlannedMetric, evidence: Evidence) -> Measured:
    """A metric as it is planned: capped, adjusted by its covariates, or a quantile."""
    if metric.kind is Kind.QUANTILE:
        return _quantiles(plan, metric, evidence.values.get(metric.key, {}))
    by_arm = _complete(plan, metric, evidence.moments.get(metric.key, {}))
    return _adjusted(metric, by_arm) if metric.covariates else plain(metric, by_arm)


def measure_raw(plan: Plan, metric: PlannedMetric, evidence: Evidence) -> Measured:
    """The same before capping and adjustment."""
    return plain(metric, _complete(plan, metric, evidence.raw.get(metric.key, {})))


def measure_unadjusted(plan: Plan, metric: PlannedMetric, evidence: Evidence) -> Measured:
    """The same without its covariates."""
    return plain(metric, _complete(plan, metric, evidence.moments.get(metric.key, {})))


def measure_stratified(plan: Plan, metric: PlannedMetric, strata: Mapping[str, Mapping[str, Moments]]) -> Measured:
    """The same with the same mix of strata in every arm; strata → arm → moments."""
    weighted = poststratify({name: _complete(plan, metric, arms) for name, arms in strata.items()}, metric.kind)
    whole = {
        arm.key: merge_all(_complete(plan, metric, arms)[arm.key] for arms in strata.values()) for arm in plan.arms
    }
    control, *treatments = whole
    return Measured(
        arms=tuple(summarise(arm, moments, metric.kind, weighted[arm]) for arm, moments in whole.items()),
        contrasts=tuple(Contrast(arm=arm, control=weighted[control], treatment=weighted[arm]) for arm in treatments),
    )


def plain(metric: PlannedMetric, by_arm: Mapping[str, Moments]) -> Measured:
    """Each arm by its own moments; the first one is the control."""
    control, *treatments = by_arm
    values = {arm: estimate(moments, metric.kind) for arm, moments in by_arm.items()}
    return Measured(
        arms=tuple(summarise(arm, moments, metric.kind, values[arm]) for arm, moments in by_arm.items()),
        contrasts=tuple(Contrast(arm=arm, control=values[control], treatment=values[arm]) for arm in treatments),
    )


def _adjusted(metric: PlannedMetric, by_arm: Mapping[str, Moments]) -> Measured:
    control, *treatments = by_arm
    adjusted = adjust(by_arm, metric.kind)
    pairs = {arm: adjusted.pair(control, arm) for arm in treatments}
    return Measured(
        arms=tuple(summarise(arm, moments, metric.kind, adjusted.estimates[arm]) for arm, moments in by_arm.items()),
        contrasts=tuple(Contrast(arm=arm, control=pair[0], treatment=pair[1]) for arm, pair in pairs.items()),
        reduction=adjusted.reduction,
    )


def _quantiles(plan: Plan, metric: PlannedMetric, by_arm: Mapping[str, Counts]) -> Measured:
    quantile = 0.5 if metric.quantile is None else metric.quantile
    nothing = Counts.from_values([])
    values = {
        # the same data and plan give the same draws, in every arm its own
        arm.key: quantile_estimate(
            by_arm.get(arm.key, nothing), quantile, rng=np.random.default_rng(crc32(f"{metric.key}/{arm.key}".encode()))
        )
        for arm in plan.arms
    }
    control, *treatments = values
    return Measured(
        arms=tuple(
            ArmSummary(
                arm=arm,
                n=value.n,
                numerator=float("nan"),
                denominator=float(value.n),
                mean=value.mean,
                sd=value.var**0.5,
                reasons=value.reasons,
            )
            for arm, value in values.items()
        ),
        contrasts=tuple(Contrast(arm=arm, control=values[control], treatment=values[arm]) for arm in treatments),
    )


def _complete(plan: Plan, metric: PlannedMetric, by_arm: Mapping[str, Moments]) -> dict[str, Moments]:
    """Every planned arm, the control first; one without data has no units."""
    nothing = Moments.empty(width_of(metric.kind) + len(metric.covariates))
    return {arm.key: by_arm.get(arm.key, nothing) for arm in plan.arms}
