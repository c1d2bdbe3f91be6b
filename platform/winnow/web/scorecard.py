"""The metrics of a report as a table: figures, words, and one bar per treatment on an axis that all rows share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.utils.translation import gettext

from experiments import figures
from experiments.contracts import ArmSummary, Decision, MetricResult, Plan, Report, Role, Scale
from experiments.inference.primary import primary_metric
from experiments.rendering.details import chance, lines_of
from experiments.verdict.judgement import decide
from winnow.web.intervals import Axis, Bar, axis_for, draw
from winnow.web.words import DECISIONS, DIRECTIONS, REASONS, ROLES, metric_name, points, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One treatment against control on one metric. ``tone`` chooses the colour, ``word`` says the same."""

    arm: str
    value: str
    relative: str
    relative_interval: str
    difference: str
    difference_interval: str
    p_value: str
    bar: Bar | None
    tone: str
    word: str
    reasons: tuple[str, ...]
    chance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric: the control's value and an effect per treatment."""

    name: str
    description: str
    role: str
    role_name: str
    direction: str
    control: str
    truth: str
    effects: tuple[Effect, ...]
    details: tuple[str, ...]
    badge: str
    badge_passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """The whole table. ``level`` is that of the intervals; ``trusted`` is False when a check failed."""

    control: str
    level: str
    axis: Axis
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[MetricRow, ...]
    trusted: bool
    has_truth: bool


def scorecard(report: Report) -> Scorecard:
    """Everything the table shows, written out in the language of the page."""
    plan = report.plan
    axis = axis_for((each.rel_ci_low, each.rel_ci_high) for result in report.metrics for each in result.comparisons)
    trusted = _trusted(report)
    return Scorecard(
        control=plan.arms[0].label,
        level=level(plan.alpha),
        axis=axis,
        ticks=tuple((place, tick(value)) for place, value in axis.ticks),
        rows=tuple(_row(plan, result, axis, trusted) for result in report.metrics),
        trusted=trusted,
        has_truth=bool(plan.truth),
    )


def primary_effects(report: Report, axis: Axis) -> tuple[Effect, ...]:
    """The effects on the primary metric, one per verdict, or none."""
    primary = primary_metric(report.plan)
    results = [result for result in report.metrics if result.metric == primary]
    return _effects(report.plan, results[0], axis, _trusted(report)) if results else ()


def level(alpha: float) -> str:
    """The level of an interval, in percent."""
    return f"{100 * (1 - alpha):g}%"


def tick(value: float) -> str:
    """A figure under the axis."""
    return f"{100 * value:+g}%" if value else "0"


def _trusted(report: Report) -> bool:
    return all(verdict.decision is not Decision.DO_NOT_TRUST for verdict in report.verdicts)


def _row(plan: Plan, result: MetricResult, axis: Axis, trusted: bool) -> MetricRow:
    metric = result.metric
    role = Role.PRIMARY if metric == primary_metric(plan) else metric.role
    truth = plan.truth.get(metric.key)
    return MetricRow(
        name=metric_name(metric.name),
        description=metric_name(metric.description),
        role=role.value,
        role_name=str(ROLES[role]),
        direction=str(DIRECTIONS[metric.direction]),
        control=_value(plan, result, result.arms[0]),
        truth=figures.relative(truth) if truth is not None else "",
        effects=_effects(plan, result, axis, trusted),
        details=tuple(sentence(line) for line in lines_of(plan, result)),
        badge=_badge(result),
        badge_passed=result.calibration is not None and result.calibration.passed,
    )


def _badge(result: MetricResult) -> str:
    """The false alarms that the self-check measured; nothing where it could not run."""
    known = result.calibration
    if known is None or known.reasons:
        return ""
    return gettext("A/A %(share)s") % {"share": f"{100 * known.false_positives:.1f}%"}


def _effects(plan: Plan, result: MetricResult, axis: Axis, trusted: bool) -> tuple[Effect, ...]:
    return tuple(_effect(plan, result, position, axis, trusted) for position in range(len(result.comparisons)))


def _effect(plan: Plan, result: MetricResult, position: int, axis: Axis, trusted: bool) -> Effect:
    arm, comparison = result.arms[position + 1], result.comparisons[position]
    posterior = result.posteriors[position] if result.posteriors else None
    scale, low, high = result.metric.scale, comparison.ci_low, comparison.ci_high
    rel_low, rel_high = comparison.rel_ci_low, comparison.rel_ci_high
    difference = figures.difference(comparison.effect, scale, plan.currency, spread=figures.half_width(low, high))
    decision = decide(comparison, result.metric.direction) if trusted else Decision.DO_NOT_TRUST
    return Effect(
        arm=next(planned.label for planned in plan.arms if planned.key == arm.arm),
        value=_value(plan, result, arm),
        relative=figures.relative(comparison.rel_effect, spread=figures.half_width(rel_low, rel_high)),
        relative_interval=_interval(rel_low, rel_high, Scale.SHARE, plan.currency),
        difference=points(difference),
        difference_interval=_interval(low, high, scale, plan.currency),
        p_value=figures.p_value(comparison.p_value, comparison.log_p),
        bar=draw(comparison.rel_effect, rel_low, rel_high, axis),
        tone=decision.value,
        word="" if math.isnan(comparison.p_value) else str(DECISIONS[decision]),
        reasons=tuple(str(REASONS[reason]) for reason in comparison.reasons),
        chance=chance(posterior.chance_to_beat) if posterior and posterior.sd > 0 else figures.ABSENT,
    )


def _interval(low: float, high: float, scale: Scale, currency: str) -> str:
    return "" if math.isnan(low) or math.isnan(high) else figures.interval(low, high, scale, currency)


def _value(plan: Plan, result: MetricResult, arm: ArmSummary) -> str:
    spread = 2 * arm.sd / math.sqrt(arm.n) if arm.n else math.nan  # about the half-width of a 95 % interval
    return figures.value(arm.mean, result.metric.scale, plan.currency, spread=spread)
