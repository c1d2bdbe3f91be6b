"""From evidence to the results of all metrics, each corrected for what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.contracts import (
    Alternative,
    Comparison,
    Correction,
    Guardrail,
    Kind,
    MetricResult,
    Plan,
    PlannedMetric,
    Role,
)
from experiments.evidence import Evidence
from experiments.inference.estimates import Measured, measure, measure_raw, measure_stratified, measure_unadjusted
from experiments.inference.primary import primary_metric
from experiments.inference.ripeness import conversions_of, ripe
from experiments.inference.rules import Contrast, family_rules, look_rule
from experiments.inference.segments import segments_of
from experiments.inference.views import posteriors_of, superiorities_of
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments
from experiments.stats.multiplicity import benjamini_hochberg
from experiments.stats.noninferiority import non_inferiority
from experiments.stats.rule import Rule, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A metric's contrasts with the rules that judge them."""

    measured: Measured
    rules: tuple[Rule, ...]
    correction: Correction
    p_values: tuple[tuple[float, float], ...] = ()  # and their logarithms, where the family decides them


def infer(plan: Plan, evidence: Evidence) -> tuple[MetricResult, ...]:
    """One result per planned metric.

    The primary metric and the guardrails account for the number of treatments, each metric on its own; the secondary
    metrics of all treatments are one family in which the rate of false discoveries is alpha. Every p-value and interval
    accounts for the looks that the plan allows.
    """
    primary = primary_metric(plan)
    judged = {
        metric.key: _judge(plan, metric, evidence, secondary=metric.role is Role.SECONDARY and metric != primary)
        for metric in plan.metrics
    }
    judged = _share_out(plan, judged)
    return tuple(_result(plan, metric, evidence, judged[metric.key]) for metric in plan.metrics)


def _judge(plan: Plan, metric: PlannedMetric, evidence: Evidence, *, secondary: bool) -> _Judged:
    measured = _ripe(plan, metric, measure(plan, metric, evidence))
    if secondary:
        rules = tuple(look_rule(plan, evidence.looks, contrast) for contrast in measured.contrasts)
        return _Judged(measured=measured, rules=rules, correction=Correction.FALSE_DISCOVERY)
    rules, correction = family_rules(plan, evidence.looks, measured.contrasts)
    return _Judged(measured=measured, rules=rules, correction=correction)


def _ripe(plan: Plan, metric: PlannedMetric, measured: Measured) -> Measured:
    """Every contrast that may be judged already, the others withheld."""
    control, *treatments = (conversions_of(metric, arm.numerator) for arm in measured.arms)
    return replace(
        measured,
        contrasts=tuple(
            ripe(plan, one, conversions=(control, treatment))
            for one, treatment in zip(measured.contrasts, treatments, strict=True)
        ),
    )


def _share_out(plan: Plan, judged: Mapping[str, _Judged]) -> dict[str, _Judged]:
    """The secondary metrics as one family, which gives each comparison its p-value and its share of alpha.

    The same share for all: a discovery's interval leaves out 0, any other holds it.
    """
    family = [key for key, one in judged.items() if one.correction is Correction.FALSE_DISCOVERY]
    compared = {key: _compare(plan, judged[key].measured.contrasts, judged[key].rules) for key in family}
    members = [one for key in family for one in compared[key]]
    found = benjamini_hochberg([one.p_value for one in members], plan.alpha, [one.log_p for one in members])
    adjusted = iter(zip(found.adjusted, found.log_adjusted, strict=True))
    if math.isnan(found.level):  # nobody can answer
        return dict(judged)
    return dict(judged) | {
        key: replace(
            judged[key],
            rules=tuple(Share(rule=rule, level=found.level, alpha=plan.alpha) for rule in judged[key].rules),
            p_values=tuple(next(adjusted) for _ in compared[key]),
        )
        for key in family
    }


def _compare(plan: Plan, contrasts: Sequence[Contrast], rules: Sequence[Rule]) -> tuple[Comparison, ...]:
    return tuple(
        compare_estimates(
            one.control,
            one.treatment,
            alpha=plan.alpha,
            control_name=plan.arms[0].key,
            arm=one.arm,
            rule=rule,
        )
        for one, rule in zip(contrasts, rules, strict=True)
    )


def _result(plan: Plan, metric: PlannedMetric, evidence: Evidence, judged: _Judged) -> MetricResult:
    measured = judged.measured
    comparisons = _compare(plan, measured.contrasts, judged.rules)
    if judged.p_values:
        comparisons = tuple(
            # one that is too early for its share of alpha has no interval, and then no p-value either
            one if math.isnan(one.p_value) else replace(one, p_value=p, log_p=log_p)
            for one, (p, log_p) in zip(comparisons, judged.p_values, strict=True)
        )
    return MetricResult(
        metric=metric,
        arms=measured.arms,
        comparisons=comparisons,
        correction=judged.correction,
        guardrails=_guardrails(metric, judged, comparisons),
        posteriors=posteriors_of(plan, metric, measured, comparisons),
        superiorities=superiorities_of(plan, metric, evidence),
        segments=segments_of(plan, metric, evidence),
        novelty=_novelty(plan, evidence, evidence.novelty.get(metric.key, {})),
        alternatives=tuple(_alternatives(plan, metric, evidence, judged)),
        reduction=measured.reduction,
        cap=evidence.caps.get(metric.key, math.nan),
        calibration=evidence.calibrations.get(metric.key),
    )


def _guardrails(metric: PlannedMetric, judged: _Judged, comparisons: Sequence[Comparison]) -> tuple[Guardrail, ...]:
    if metric.role is not Role.GUARDRAIL:
        return ()
    return tuple(
        non_inferiority(
            one.control, one.treatment, comparison, margin=metric.margin, direction=metric.direction, rule=rule
        )
        for one, comparison, rule in zip(judged.measured.contrasts, comparisons, judged.rules, strict=True)
    )


def _alternatives(plan: Plan, metric: PlannedMetric, evidence: Evidence, judged: _Judged) -> list[Alternative]:
    """What the result would be without the cap or the covariates, or by strata; by the rules of the headline."""
    others = []
    if metric.key in evidence.raw:
        others.append(("raw", "", measure_raw(plan, metric, evidence)))
    if metric.covariates:
        others.append(("unadjusted", "", measure_unadjusted(plan, metric, evidence)))
    if metric == primary_metric(plan) and metric.kind is not Kind.QUANTILE:
        for dimension, strata in evidence.segments.get(metric.key, {}).items():
            others.append(("stratified", dimension, measure_stratified(plan, metric, strata)))
    return [
        Alternative(
            name=name,
            dimension=dimension,
            arms=one.arms,
            comparisons=_compare(plan, _ripe(plan, metric, one).contrasts, judged.rules),
        )
        for name, dimension, one in others
    ]


def _novelty(plan: Plan, evidence: Evidence, by_arm: Mapping[str, Moments]) -> tuple[Comparison, ...]:
    """Did the change from a unit's first to its second week differ from the control's? By the rule of the looks."""
    if not by_arm:
        return ()
    nothing = Moments.empty(1)
    control, *treatments = (estimate(by_arm.get(arm.key, nothing), Kind.MEAN) for arm in plan.arms)
    contrasts = [
        ripe(plan, Contrast(arm=arm.key, control=control, treatment=treatment), conversions=(None, None))
        for arm, treatment in zip(plan.arms[1:], treatments, strict=True)
    ]
    return _compare(plan, contrasts, [look_rule(plan, evidence.looks, one) for one in contrasts])
