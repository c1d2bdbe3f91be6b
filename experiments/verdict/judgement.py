"""From findings and comparisons to what the evidence says about each treatment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments import figures
from experiments.contracts import (
    Comparison,
    Decision,
    Direction,
    Finding,
    Message,
    MetricResult,
    Plan,
    PlannedArm,
    Severity,
    Verdict,
    gettext_noop,
)
from experiments.verdict.primary import primary_metric

UNTRUSTED = gettext_noop(
    "Do not read a result for %(arm)s: %(count)d of the trust checks failed (%(checks)s). Resolve them first."
)
NOT_MEASURED = gettext_noop("%(arm)s cannot be judged: the experiment has no metric.")
NO_ANSWER = gettext_noop("%(arm)s cannot be compared with %(control)s on %(metric)s yet (%(reasons)s).")

RELATIVE = {
    Decision.BETTER: gettext_noop(
        "%(arm)s is better than %(control)s on %(metric)s: %(effect)+.2f%% "
        "(%(level)g%% interval %(low)+.2f%% to %(high)+.2f%%)."
    ),
    Decision.WORSE: gettext_noop(
        "%(arm)s is worse than %(control)s on %(metric)s: %(effect)+.2f%% "
        "(%(level)g%% interval %(low)+.2f%% to %(high)+.2f%%)."
    ),
    Decision.UNSETTLED: gettext_noop(
        "It is not settled whether %(arm)s differs from %(control)s on %(metric)s: %(effect)+.2f%% "
        "(%(level)g%% interval %(low)+.2f%% to %(high)+.2f%%)."
    ),
}
ABSOLUTE = {
    Decision.BETTER: gettext_noop(
        "%(arm)s is better than %(control)s on %(metric)s: by %(effect)s (%(level)g%% interval %(low)s to %(high)s)."
    ),
    Decision.WORSE: gettext_noop(
        "%(arm)s is worse than %(control)s on %(metric)s: by %(effect)s (%(level)g%% interval %(low)s to %(high)s)."
    ),
    Decision.UNSETTLED: gettext_noop(
        "It is not settled whether %(arm)s differs from %(control)s on %(metric)s: "
        "by %(effect)s (%(level)g%% interval %(low)s to %(high)s)."
    ),
}


def judge(plan: Plan, metrics: Sequence[MetricResult], findings: Sequence[Finding]) -> tuple[Verdict, ...]:
    """One verdict per treatment on the primary metric. A failed trust check vetoes all of them."""
    primary = primary_metric(plan)
    failed = [finding.check for finding in findings if finding.severity is Severity.FAILURE]
    result = next((result for result in metrics if result.metric == primary), None)
    verdicts = []
    for position, arm in enumerate(plan.arms[1:]):
        if failed:
            decision, message = Decision.DO_NOT_TRUST, _veto(arm, failed)
        elif result is None:
            decision, message = Decision.UNSETTLED, Message(template=NOT_MEASURED, params={"arm": arm.label})
        else:
            decision = decide(result.comparisons[position], result.metric.direction)
            message = _sentence(plan, result, position, decision)
        verdicts.append(Verdict(arm=arm.key, decision=decision, message=message))
    return tuple(verdicts)


def _veto(arm: PlannedArm, failed: Sequence[str]) -> Message:
    return Message(template=UNTRUSTED, params={"arm": arm.label, "count": len(failed), "checks": ", ".join(failed)})


def decide(comparison: Comparison, direction: Direction) -> Decision:
    """Better or worse where 0 is outside the interval, unsettled otherwise."""
    if not comparison.significant:
        return Decision.UNSETTLED
    good = (comparison.effect > 0) == (direction is Direction.INCREASE)
    return Decision.BETTER if good else Decision.WORSE


def _sentence(plan: Plan, result: MetricResult, position: int, decision: Decision) -> Message:
    comparison = result.comparisons[position]
    params: dict[str, str | int | float] = {
        "arm": plan.arms[position + 1].label,
        "control": plan.arms[0].label,
        "metric": result.metric.name,
    }
    if math.isnan(comparison.p_value):
        return Message(template=NO_ANSWER, params={**params, "reasons": ", ".join(comparison.reasons)})
    params["level"] = 100 * (1 - comparison.alpha)
    relative = (comparison.rel_effect, comparison.rel_ci_low, comparison.rel_ci_high)
    # a fraction of a negative control mean has the opposite sign of the effect
    if result.arms[0].mean > 0 and all(map(math.isfinite, relative)):
        effect, low, high = (100 * part for part in relative)
        return Message(template=RELATIVE[decision], params={**params, "effect": effect, "low": low, "high": high})
    spread = figures.half_width(comparison.ci_low, comparison.ci_high)
    parts = (comparison.effect, comparison.ci_low, comparison.ci_high)
    written = [figures.difference(part, result.metric.scale, plan.currency, spread=spread) for part in parts]
    return Message(
        template=ABSOLUTE[decision], params={**params, **dict(zip(("effect", "low", "high"), written, strict=True))}
    )
