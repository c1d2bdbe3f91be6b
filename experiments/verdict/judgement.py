"""From findings and comparisons to what the evidence says about each treatment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments import figures
from experiments.contracts import (
    Action,
    Comparison,
    Decision,
    Direction,
    Finding,
    Looks,
    Message,
    MetricResult,
    Plan,
    PlannedArm,
    Severity,
    Stopping,
    Verdict,
    gettext_noop,
)
from experiments.inference.primary import primary_metric
from experiments.stats.exaggeration import early_stop_exaggeration
from experiments.verdict.action import act
from experiments.verdict.change import POWER, change
from experiments.verdict.money import money

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


WORTH_SAYING = 1.05

EXAGGERATED = gettext_noop(
    "Effects that end an experiment this early are exaggerated: on average by about %(times).1f times."
)


def judge(
    plan: Plan, metrics: Sequence[MetricResult], findings: Sequence[Finding], looks: Looks
) -> tuple[Verdict, ...]:
    """One verdict per treatment, by the registered rule. A failed trust check vetoes all of them."""
    primary = primary_metric(plan)
    failed = [finding.check for finding in findings if finding.severity is Severity.FAILURE]
    result = next((result for result in metrics if result.metric == primary), None)
    verdicts = []
    for position, arm in enumerate(plan.arms[1:]):
        if failed:
            verdicts.append(_refused(arm, _veto(arm, failed)))
        elif result is None:
            message = Message(template=NOT_MEASURED, params={"arm": arm.label})
            verdicts.append(Verdict(arm=arm.key, decision=Decision.UNSETTLED, message=message))
        else:
            verdicts.append(_verdict(plan, metrics, looks, result, position))
    return tuple(verdicts)


def _verdict(
    plan: Plan, metrics: Sequence[MetricResult], looks: Looks, primary: MetricResult, position: int
) -> Verdict:
    decision = decide(primary.comparisons[position], primary.metric.direction)
    standings = [
        (one.metric.margin, one.guardrails[position].standing) for one in metrics if position < len(one.guardrails)
    ]
    action = act(plan, looks, decision, standings)
    return Verdict(
        arm=plan.arms[position + 1].key,
        decision=decision,
        message=_sentence(plan, primary, position, decision),
        action=action,
        money=money(plan, metrics, position),
        change=change(plan, looks, action, primary, metrics, position),
        notes=_notes(plan, looks, primary.comparisons[position]),
    )


def _refused(arm: PlannedArm, message: Message) -> Verdict:
    return Verdict(arm=arm.key, decision=Decision.DO_NOT_TRUST, message=message, action=Action.DO_NOT_TRUST)


def _notes(plan: Plan, looks: Looks, comparison: Comparison) -> tuple[Message, ...]:
    early = plan.stopping is Stopping.SPENDING and bool(looks.fractions) and looks.fractions[-1] < 1
    if not (early and comparison.significant and plan.alpha < POWER):
        return ()
    times = early_stop_exaggeration(looks.fractions, plan.alpha, POWER)
    # late stops are hardly exaggerated: the lucky ones have left already
    return (Message(template=EXAGGERATED, params={"times": times}),) if times >= WORTH_SAYING else ()


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
