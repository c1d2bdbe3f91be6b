"""Evidence in, report out: the one place where statistics, health and verdict meet (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.contracts import Exclusion, Kind, MetricResult, Plan, PlannedMetric, Report, Source
from experiments.errors import InvalidInput
from experiments.health.checks import run_checks
from experiments.health.context import HealthContext
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments
from experiments.verdict.judgement import judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured, before any judgement.

    Moments are in the order (numerator, denominator) for ratios, (value,) otherwise.
    ``units`` counts analysed units per arm (after exclusions), ``units_in_two_arms`` those left out for it,
    ``unknown_arms`` those whose arm is not planned.
    """

    source: Source
    units: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]  # metric key → arm key → moments
    exclusions: tuple[Exclusion, ...] = ()
    units_in_two_arms: int = 0
    unknown_arms: Mapping[str, int] = field(default_factory=dict)


def build_report(plan: Plan, evidence: Evidence) -> Report:
    """Judge the evidence by the plan: measure, check, decide.

    Raises:
        InvalidInput: fewer than two arms, alpha out of range, or moments that do not fit a metric's kind.
    """
    if len(plan.arms) < 2:
        raise InvalidInput("arms", f"{len(plan.arms)} planned, must be a control and at least one treatment")
    metrics = tuple(_measure(plan, metric, evidence.moments.get(metric.key, {})) for metric in plan.metrics)
    findings = run_checks(
        HealthContext(
            plan=plan,
            source=evidence.source,
            units=evidence.units,
            moments=evidence.moments,
            exclusions=evidence.exclusions,
            units_in_two_arms=evidence.units_in_two_arms,
            unknown_arms=evidence.unknown_arms,
        )
    )
    return Report(
        plan=plan,
        source=evidence.source,
        exclusions=evidence.exclusions,
        findings=findings,
        verdicts=judge(plan, metrics, findings),
        metrics=metrics,
    )


def _measure(plan: Plan, metric: PlannedMetric, by_arm: Mapping[str, Moments]) -> MetricResult:
    nothing = Moments.empty(2 if metric.kind is Kind.RATIO else 1)
    control, *treatments = ((arm.key, by_arm.get(arm.key, nothing)) for arm in plan.arms)
    return MetricResult(
        metric=metric,
        arms=tuple(summarise(arm, moments, metric.kind) for arm, moments in (control, *treatments)),
        comparisons=tuple(
            compare(control[1], moments, kind=metric.kind, alpha=plan.alpha, control_name=control[0], arm=arm)
            for arm, moments in treatments
        ),
    )
