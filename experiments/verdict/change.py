"""What would change a verdict: units still to come, a guardrail that is close, an effect too small to see."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments import figures
from experiments.contracts import (
    Action,
    Comparison,
    Direction,
    Guardrail,
    Looks,
    Message,
    MetricResult,
    Plan,
    Standing,
    Stopping,
    gettext_noop,
)
from experiments.verdict.action import is_over

POWER = 0.8
Z_POWER = 0.8416212335729143  # Φ⁻¹(.8)
MOST_TIMES = 100.0  # of the present units; an effect that needs more is not worth waiting for

UNITS_LEFT = gettext_noop("%(units)s of %(planned)s planned units are in (%(share).0f%%).")
DAYS_LEFT = gettext_noop(
    "%(units)s of %(planned)s planned units are in (%(share).0f%%); at the pace so far the rest takes %(days).0f days."
)
UNITS_NEEDED = gettext_noop(
    "An effect as large as the one seen would be settled at about %(needed)s units; there are %(units)s."
)
NOT_SOON = gettext_noop("The effect seen is so small that more than %(needed)s units would be needed to settle it.")
SMALLEST = gettext_noop(
    "With these units an effect of %(smallest)s or more would have been found four times out of five; "
    "a smaller one may be there."
)
FRAGILE = gettext_noop(
    "The guardrail that is closest is %(metric)s: its interval reaches %(bound)s, the margin is %(margin)s."
)
HARM = gettext_noop("%(metric)s is worse beyond chance: %(effect)s (%(level)g%% interval %(low)s to %(high)s).")
UNPROVEN = gettext_noop("%(metric)s is not yet shown to be within its margin of %(margin)s; more units may show it.")


def change(
    plan: Plan, looks: Looks, action: Action, primary: MetricResult, metrics: Sequence[MetricResult], position: int
) -> Message | None:
    """One sentence for one treatment, None where nothing is known that would change the verdict."""
    comparison = primary.comparisons[position]
    better = comparison.significant and (comparison.effect > 0) == (primary.metric.direction is Direction.INCREASE)
    guardrails = [(one, one.guardrails[position]) for one in metrics if one.guardrails]
    unproven = _unproven(plan, guardrails) if better else None
    if action is Action.ROLL_BACK:
        harmed = next((pair for pair in guardrails if pair[1].standing is Standing.HARMED), None)
        if harmed:
            return _harm(plan, harmed[0], position)
        return unproven if comparison.significant else _smallest(primary, comparison)
    if action is Action.SHIP:
        return _closest(guardrails) if comparison.significant else _smallest(primary, comparison)
    if action is Action.KEEP_RUNNING:
        # with one look nothing is read before the end
        waits = plan.stopping is Stopping.ONCE and not is_over(plan, looks)
        return _wait(plan, looks, comparison) if waits else unproven or _wait(plan, looks, comparison)
    return None


def _wait(plan: Plan, looks: Looks, comparison: Comparison) -> Message | None:
    if plan.planned_units and plan.stopping is not Stopping.SEQUENCE and not is_over(plan, looks):
        params: dict[str, str | int | float] = {
            "units": figures.count(looks.units),
            "planned": figures.count(plan.planned_units),
            "share": 100 * looks.units / plan.planned_units,
        }
        if not (looks.units and looks.days > 0):
            return Message(template=UNITS_LEFT, params=params)
        days = looks.days * (plan.planned_units - looks.units) / looks.units
        return Message(template=DAYS_LEFT, params={**params, "days": math.ceil(days)})
    if math.isnan(comparison.ci_low) or comparison.significant or not looks.units:
        return None
    ratio = comparison.critical * comparison.se / comparison.effect if comparison.effect else math.inf
    times = ratio * ratio
    units = figures.count(looks.units)
    if times > MOST_TIMES:
        return Message(template=NOT_SOON, params={"needed": figures.count(round(MOST_TIMES * looks.units))})
    return Message(
        template=UNITS_NEEDED, params={"needed": figures.count(_rounded(times * looks.units)), "units": units}
    )


def _rounded(units: float) -> int:
    """Up to two significant digits."""
    step = int(10 ** max(math.floor(math.log10(units)) - 1, 0))
    return math.ceil(units / step) * step


def _smallest(primary: MetricResult, comparison: Comparison) -> Message | None:
    """The effect that the experiment would have found with 80 % power, relative to the control."""
    control = primary.arms[0].mean
    smallest = (comparison.critical + Z_POWER) * comparison.se / abs(control) if control else math.nan
    if not math.isfinite(smallest):
        return None
    return Message(template=SMALLEST, params={"smallest": figures.relative(smallest, spread=smallest).lstrip("+")})


def _harm(plan: Plan, result: MetricResult, position: int) -> Message:
    one = result.comparisons[position]
    parts = (one.rel_effect, one.rel_ci_low, one.rel_ci_high)
    if all(map(math.isfinite, parts)):
        spread = figures.half_width(*parts[1:])
        effect, low, high = (figures.relative(part, spread=spread) for part in parts)
    else:  # no relative effect, or one without an end
        parts = (one.effect, one.ci_low, one.ci_high)
        spread = figures.half_width(*parts[1:])
        scale = result.metric.scale
        effect, low, high = (figures.difference(part, scale, plan.currency, spread=spread) for part in parts)
    return Message(
        template=HARM,
        params={
            "metric": result.metric.name,
            "effect": effect,
            "low": low,
            "high": high,
            "level": 100 * (1 - one.alpha),
        },
    )


def _closest(guardrails: Sequence[tuple[MetricResult, Guardrail]]) -> Message | None:
    known = [pair for pair in guardrails if not math.isnan(pair[1].margin) and math.isfinite(pair[1].bound)]
    if not known:
        return None
    used, result, guardrail = max(((_used(*pair), *pair) for pair in known), key=lambda one: one[0])
    if used <= 0:  # every interval lies on the good side
        return None
    return Message(
        template=FRAGILE,
        params={
            "metric": result.metric.name,
            "bound": figures.relative(guardrail.bound, spread=abs(guardrail.bound)),
            "margin": f"{100 * guardrail.margin:g}%",
        },
    )


def _used(result: MetricResult, guardrail: Guardrail) -> float:
    """How much of the margin the harmful end of the interval uses up; below 0 where it shows no harm."""
    # the harmful end is the lower one where more is better; a fraction of a negative control points the other way
    low_is_bad = (result.metric.direction is Direction.INCREASE) == (result.arms[0].mean > 0)
    return (-guardrail.bound if low_is_bad else guardrail.bound) / guardrail.margin


def _unproven(plan: Plan, guardrails: Sequence[tuple[MetricResult, Guardrail]]) -> Message | None:
    if not plan.rule.strict_guardrails:
        return None
    for result, guardrail in guardrails:
        if guardrail.standing is Standing.OPEN and not math.isnan(guardrail.margin):
            params = {"metric": result.metric.name, "margin": f"{100 * guardrail.margin:g}%"}
            return Message(template=UNPROVEN, params=params)
    return None
