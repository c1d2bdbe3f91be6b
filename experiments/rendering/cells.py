"""The words and figures of a report that the terminal and the document share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from experiments import figures
from experiments.contracts import (
    ArmSummary,
    Comparison,
    Message,
    MetricResult,
    Plan,
    Reason,
    Report,
    Scale,
    Source,
    Verdict,
    gettext_noop,
)
from experiments.inference.primary import primary_metric

REASONS = {
    Reason.NO_UNITS: gettext_noop("no units"),
    Reason.TOO_FEW_UNITS: gettext_noop("fewer than two units"),
    Reason.NO_VARIANCE: gettext_noop("no variance"),
    Reason.NO_DENOMINATOR: gettext_noop("denominator is 0"),
    Reason.ZERO_BASELINE: gettext_noop("control is 0"),
    Reason.UNBOUNDED: gettext_noop("control cannot be told from 0"),
    Reason.MISSING: gettext_noop("a value is missing"),
    Reason.TOO_EARLY: gettext_noop("too early in the plan"),
}

SIMULATED = "SIMULATED: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm on one metric, written out. ``label`` is set on the control only, effects on treatments only."""

    label: tuple[str, ...]
    arm: str
    n: str
    value: str
    effect: tuple[str, ...] = ()
    relative: tuple[str, ...] = ()
    p_value: str = ""


def title(plan: Plan) -> str:
    """The experiment's title, marked where the data is simulated."""
    return (SIMULATED if plan.simulated else "") + plan.title


def facts(plan: Plan, source: Source) -> Iterator[tuple[str, str]]:
    """What was randomised and where the numbers come from."""
    yield "Unit", plan.unit + (f" ({plan.unit_note})" if plan.unit_note else "")
    yield "Arms", ", ".join(arm.label + (f" ({arm.strategy})" if arm.strategy else "") for arm in plan.arms)
    yield "Source", source.name + (f", {figures.count(source.rows)} rows" if source.rows is not None else "")
    if source.first_event and source.last_event:
        yield "Events", f"{source.first_event:%Y-%m-%d %H:%M} to {source.last_event:%Y-%m-%d %H:%M}"
    versions = [f"lake {source.lake_version}"] if source.lake_version is not None else []
    versions += [f"code {source.code_version}"] if source.code_version else []
    versions += [f"computed {source.computed_at:%Y-%m-%d %H:%M}"] if source.computed_at else []
    if versions:
        yield "Version", ", ".join(versions)


def verdict_lines(verdict: Verdict) -> Iterator[Message]:
    """The sentence, what it is worth, what would change it, and what to keep in mind."""
    yield verdict.message
    yield from (line for line in (verdict.money, verdict.change, *verdict.notes) if line)


def words(code: str) -> str:
    """A severity or a decision as a label: DO NOT TRUST."""
    return code.replace("_", " ").upper()


def rows(report: Report) -> Iterator[tuple[Row, ...]]:
    """The rows of each metric, control first."""
    for result in report.metrics:
        control, *treatments = result.arms
        yield (
            _row(report.plan, result, control, label=_label(report.plan, result)),
            *(
                _row(report.plan, result, arm, comparison=comparison)
                for arm, comparison in zip(treatments, result.comparisons, strict=True)
            ),
        )


def _label(plan: Plan, result: MetricResult) -> tuple[str, ...]:
    metric = result.metric
    role = "primary" if metric == primary_metric(plan) else str(metric.role)
    truth = (f"true {figures.relative(plan.truth[metric.key])}",) if metric.key in plan.truth else ()
    return (metric.name, role, *truth)


def _row(
    plan: Plan,
    result: MetricResult,
    arm: ArmSummary,
    label: tuple[str, ...] = (),
    comparison: Comparison | None = None,
) -> Row:
    scale = result.metric.scale
    spread = 2 * arm.sd / math.sqrt(arm.n) if arm.n else math.nan  # about the half-width of a 95 % interval
    names = {planned.key: planned.label for planned in plan.arms}
    return Row(
        label=label,
        arm=names[arm.arm],
        n=figures.count(arm.n),
        value=figures.value(arm.mean, scale, plan.currency, spread=spread),
        effect=_effect(comparison, result, plan.currency) if comparison else (),
        relative=_relative(comparison) if comparison else (),
        p_value=figures.p_value(comparison.p_value, comparison.log_p) if comparison else "",
    )


def _effect(comparison: Comparison, result: MetricResult, currency: str) -> tuple[str, ...]:
    low, high = comparison.ci_low, comparison.ci_high
    scale = result.metric.scale
    effect = figures.difference(comparison.effect, scale, currency, spread=figures.half_width(low, high))
    return (effect,) if math.isnan(low) else (effect, figures.interval(low, high, scale, currency))


def _relative(comparison: Comparison) -> tuple[str, ...]:
    low, high = comparison.rel_ci_low, comparison.rel_ci_high
    effect = figures.relative(comparison.rel_effect, spread=figures.half_width(low, high))
    interval = () if math.isnan(low) else (figures.interval(low, high, Scale.SHARE),)
    return (effect, *interval, *(REASONS[reason] for reason in comparison.reasons))
