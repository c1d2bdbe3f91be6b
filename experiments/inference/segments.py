"""One metric by segment: whether the effect differs at all, and what may then be said about single segments."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.contracts import Kind, Plan, PlannedMetric, SegmentEffect, Segments
from experiments.evidence import Evidence
from experiments.inference.ripeness import conversions_of, ripe
from experiments.inference.rules import Contrast, look_rule
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import estimate, width_of
from experiments.stats.moments import Moments
from experiments.stats.segments import segment_gate


def segments_of(plan: Plan, metric: PlannedMetric, evidence: Evidence) -> tuple[Segments, ...]:
    """One per dimension and treatment, of plain values: covariates that tell segments apart would blur them."""
    if metric.kind is Kind.QUANTILE:
        return ()
    return tuple(
        _by_segment(plan, metric, evidence, dimension, arm.key)
        for dimension in evidence.segments.get(metric.key, {})
        for arm in plan.arms[1:]
    )


def _by_segment(plan: Plan, metric: PlannedMetric, evidence: Evidence, dimension: str, arm: str) -> Segments:
    groups = evidence.segments[metric.key][dimension]
    contrasts = {segment: _contrast(plan, metric, by_arm, arm) for segment, by_arm in groups.items()}
    shares = _shares(groups)
    compared = {
        segment: compare_estimates(
            one.control,
            one.treatment,
            alpha=plan.alpha,
            control_name=plan.arms[0].key,
            arm=arm,
            rule=look_rule(plan, evidence.looks, one, share=shares[segment]),
        )
        for segment, one in contrasts.items()
    }
    results = tuple(compared.values())
    gate = segment_gate(
        tuple(one.effect for one in results),
        tuple(one.se for one in results),
        tuple(one.p_value for one in results),
        plan.alpha,
    )
    found = gate.heterogeneity
    return Segments(
        dimension=dimension,
        arm=arm,
        q=found.q,
        df=float(found.df),
        p_value=found.p_value,
        differs=gate.differs,
        segments=tuple(
            SegmentEffect(
                segment=segment,
                n=contrasts[segment].control.n + contrasts[segment].treatment.n,
                effect=one.effect,
                se=one.se,
                ci_low=one.ci_low,
                ci_high=one.ci_high,
                p_value=one.p_value,
                shrunk=shrunk,
                shrunk_se=shrunk_se,
                stands_out=stands_out,
                reasons=one.reasons,
            )
            for (segment, one), (shrunk, shrunk_se), stands_out in zip(
                compared.items(), found.shrunk, gate.stands_out, strict=True
            )
        ),
    )


def _contrast(plan: Plan, metric: PlannedMetric, by_arm: Mapping[str, Moments], arm: str) -> Contrast:
    nothing = Moments.empty(width_of(metric.kind))
    control, treatment = (by_arm.get(key, nothing) for key in (plan.arms[0].key, arm))
    contrast = Contrast(arm=arm, control=estimate(control, metric.kind), treatment=estimate(treatment, metric.kind))
    return ripe(
        plan,
        contrast,
        conversions=(
            conversions_of(metric, control.n * control.mean[0]),
            conversions_of(metric, treatment.n * treatment.mean[0]),
        ),
    )


def _shares(groups: Mapping[str, Mapping[str, Moments]]) -> dict[str, float]:
    """Each segment's share of the units."""
    sizes = {segment: sum(one.n for one in by_arm.values()) for segment, by_arm in groups.items()}
    total = sum(sizes.values())
    return {segment: size / total if size else 1.0 for segment, size in sizes.items()}
