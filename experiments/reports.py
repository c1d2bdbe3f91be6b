"""Evidence in, report out: the one place where inference, health and verdict meet (pure)."""

from __future__ import annotations

from experiments.contracts import Plan, Report
from experiments.errors import InvalidInput
from experiments.evidence import Evidence
from experiments.health.checks import run_checks
from experiments.health.context import HealthContext
from experiments.inference.metrics import infer
from experiments.verdict.judgement import judge

__all__ = ["Evidence", "build_report"]


def build_report(plan: Plan, evidence: Evidence) -> Report:
    """Judge the evidence by the plan: measure, check, decide.

    Raises:
        InvalidInput: fewer than two arms, alpha out of range, or moments that do not fit a metric's kind.
    """
    if len(plan.arms) < 2:
        raise InvalidInput("arms", f"{len(plan.arms)} planned, must be a control and at least one treatment")
    metrics = infer(plan, evidence)
    findings = run_checks(
        HealthContext(
            plan=plan,
            source=evidence.source,
            units=evidence.units,
            moments=evidence.moments,
            exclusions=evidence.exclusions,
            units_in_two_arms=evidence.units_in_two_arms,
            unknown_arms=evidence.unknown_arms,
            before=evidence.before,
            skew=evidence.skew,
            immature=evidence.immature,
            late_events=evidence.late_events,
            events=evidence.events,
            responses={
                key: {arm: counts.n for arm, counts in by_arm.items()} for key, by_arm in evidence.values.items()
            },
            looks=evidence.looks,
        )
    )
    return Report(
        plan=plan,
        source=evidence.source,
        exclusions=evidence.exclusions,
        findings=findings,
        verdicts=judge(plan, metrics, findings, evidence.looks),
        metrics=metrics,
        looks=evidence.looks,
    )
