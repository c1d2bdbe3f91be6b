"""What stands beside the table of metrics, as short lines: guardrails, other views of the same data, segments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from experiments import figures
from experiments.contracts import (
    Alternative,
    Calibration,
    Correction,
    Guardrail,
    Kind,
    Message,
    MetricResult,
    Plan,
    Posterior,
    Report,
    Scale,
    Segments,
    Standing,
    Stopping,
    Superiority,
    gettext_noop,
)
from experiments.inference.primary import primary_metric

Params = dict[str, str | int | float]

STOPPING = {
    Stopping.ONCE: gettext_noop("Read once, at the end."),
    Stopping.SPENDING: gettext_noop(
        "Planned end at %(planned)s units, looks in between: intervals and p-values hold at every look "
        "(O'Brien-Fleming type spending, look %(look)d at %(share).0f%% of the plan)."
    ),
    Stopping.SEQUENCE: gettext_noop(
        "No planned end: intervals and p-values hold at every look (asymptotic confidence sequence)."
    ),
}
CORRECTIONS = {
    Correction.NONE: "",
    Correction.DUNNETT: gettext_noop(
        "Primary metric and guardrails: intervals and p-values account for %(count)d treatments (Dunnett)."
    ),
    Correction.SIDAK: gettext_noop(
        "Primary metric and guardrails: intervals and p-values account for %(count)d treatments (Šidák)."
    ),
    Correction.FALSE_DISCOVERY: gettext_noop(
        "Secondary metrics: intervals and p-values account for all comparisons among them (Benjamini-Hochberg)."
    ),
}
STANDINGS = {
    Standing.HOLDS: gettext_noop(
        "%(arm)s: within the margin of %(margin)s (harmful end of the interval %(bound)s, one-sided p %(p)s)."
    ),
    Standing.HARMED: gettext_noop("%(arm)s: harmed (harmful end of the interval %(bound)s)."),
    Standing.OPEN: gettext_noop(
        "%(arm)s: not shown to be within the margin of %(margin)s (harmful end of the interval %(bound)s)."
    ),
}
NO_MARGIN = gettext_noop("%(arm)s: no harm seen; without a margin none can be ruled out.")
CHANCE = gettext_noop(
    "%(arm)s: chance to beat control %(chance)s; expected loss %(loss)s if shipped, %(staying)s if not "
    "(%(level)g%% credible interval %(low)s to %(high)s)."
)
RAW = gettext_noop("%(arm)s, not capped: %(effect)s [%(low)s, %(high)s], p %(p)s.")
UNADJUSTED = gettext_noop("%(arm)s, without covariates: %(effect)s [%(low)s, %(high)s], p %(p)s.")
STRATIFIED = gettext_noop("%(arm)s, post-stratified by %(dimension)s: %(effect)s [%(low)s, %(high)s], p %(p)s.")
REDUCED = gettext_noop("Covariates take away %(share)s of the variance.")
CAPPED = gettext_noop("Each unit counts up to %(cap)s.")
HIGHER = gettext_noop(
    "%(arm)s: chance of a higher value than control %(chance)s "
    "(%(level)g%% interval %(low)s to %(high)s, p %(p)s); 50%% is even."
)
SAME = gettext_noop("%(arm)s by %(dimension)s: no sign that the effect differs (Cochran's Q, p %(p)s).")
DIFFERS = gettext_noop("%(arm)s by %(dimension)s: the effect differs (Cochran's Q, p %(p)s).")
SEGMENT = gettext_noop("%(segment)s: %(effect)s shrunk to the mean, %(raw)s as measured, p %(p)s.")
STANDS_OUT = gettext_noop("%(segment)s: %(effect)s shrunk to the mean, %(raw)s as measured, p %(p)s; stands out.")
FADES = gettext_noop("%(arm)s: the effect changes from a unit's first to its second week by %(effect)s (p %(p)s).")
STEADY = gettext_noop("%(arm)s: no sign that the effect changes from a unit's first to its second week (p %(p)s).")
CHECKED = gettext_noop("Self-check passed: %(share)s false alarms in %(runs)d re-randomised tests.")
UNCHECKED = gettext_noop("Self-check FAILED: %(share)s false alarms in %(runs)d re-randomised tests.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Lines about one metric."""

    metric: str
    lines: tuple[Message, ...]


def conditions(report: Report) -> Iterator[Message]:
    """How often the result may be read, and for what its intervals and p-values account."""
    yield _stopping(report)
    for correction in dict.fromkeys(result.correction for result in report.metrics):
        if CORRECTIONS[correction]:
            yield Message(template=CORRECTIONS[correction], params={"count": len(report.plan.arms) - 1})


def _stopping(report: Report) -> Message:
    looks = report.looks
    share = 100 * looks.fractions[-1] if looks.fractions else 0.0
    planned = figures.count(looks.planned_units) if looks.planned_units else figures.ABSENT
    return Message(
        template=STOPPING[report.plan.stopping],
        params={"planned": planned, "look": max(len(looks.fractions), 1), "share": share},
    )


def details(report: Report) -> Iterator[Detail]:
    """The metrics that have something to say beside their row."""
    for result in report.metrics:
        lines = tuple(lines_of(report.plan, result))
        if lines:
            yield Detail(metric=result.metric.name, lines=lines)


def lines_of(plan: Plan, result: MetricResult) -> Iterator[Message]:
    """Everything there is to say about one metric beside its row."""
    names = {arm.key: arm.label for arm in plan.arms}
    if all(math.isnan(one.p_value) for one in result.comparisons):
        return
    if not math.isnan(result.cap):
        whole = result.metric.scale is Scale.NUMBER and result.cap.is_integer()
        cap = figures.count(int(result.cap)) if whole else figures.value(result.cap, result.metric.scale, plan.currency)
        yield Message(template=CAPPED, params={"cap": cap})
    if not math.isnan(result.reduction):
        yield Message(template=REDUCED, params={"share": f"{100 * result.reduction:z.0f}%"})
    for alternative in result.alternatives:
        yield from _alternative(plan, result, alternative, names)
    yield from (_guardrail(one, names[one.arm]) for one in result.guardrails)
    yield from (_posterior(plan, result, one, names[one.arm]) for one in result.posteriors if one.sd > 0)
    yield from (_superiority(plan, one, names[one.arm]) for one in result.superiorities if not math.isnan(one.p_value))
    for one in result.segments:
        if not (one.differs or result.metric == primary_metric(plan)):
            continue  # a table of chance differences would be read as more
        yield from _segments(plan, result, one, names[one.arm])
    yield from _novelty(plan, result, names)
    if result.calibration and not result.calibration.reasons:
        yield _calibration(result.calibration)


def _alternative(
    plan: Plan, result: MetricResult, alternative: Alternative, names: dict[str, str]
) -> Iterator[Message]:
    template = {"raw": RAW, "stratified": STRATIFIED}.get(alternative.name, UNADJUSTED)
    for one in alternative.comparisons:
        if not math.isnan(one.p_value):
            effect, low, high = _differences(plan, result, one.effect, one.ci_low, one.ci_high)
            p = figures.p_value(one.p_value, one.log_p)
            params: Params = {"arm": names[one.arm], "effect": effect, "low": low, "high": high, "p": p}
            yield Message(template=template, params=params | {"dimension": alternative.dimension})


def _guardrail(one: Guardrail, arm: str) -> Message:
    margin = "" if math.isnan(one.margin) else f"{100 * one.margin:g}%"
    bound = figures.relative(one.bound, spread=abs(one.bound))
    template = NO_MARGIN if one.standing is Standing.OPEN and not margin else STANDINGS[one.standing]
    params: Params = {"arm": arm, "margin": margin, "bound": bound, "p": figures.p_value(one.p_value)}
    return Message(template=template, params=params)


def _posterior(plan: Plan, result: MetricResult, one: Posterior, arm: str) -> Message:
    scale = result.metric.scale
    spread = figures.half_width(one.ci_low, one.ci_high)
    _, low, high = _differences(plan, result, one.mean, one.ci_low, one.ci_high)
    loss, staying = (
        figures.difference(part, scale, plan.currency, spread=spread / 10).replace("+", "", 1)
        for part in (one.expected_loss, one.loss_of_staying)
    )
    return Message(
        template=CHANCE,
        params={
            "arm": arm,
            "chance": chance(one.chance_to_beat),
            "loss": loss,
            "staying": staying,
            "level": 100 * (1 - plan.alpha),
            "low": low,
            "high": high,
        },
    )


def chance(probability: float) -> str:
    """A chance in percent; never 0 or 100, which nothing is.

    >>> chance(0.9731), chance(0.99999), chance(0.0)
    ('97.3%', '>99.9%', '<0.1%')
    """
    if probability > 0.999:
        return ">99.9%"
    return "<0.1%" if probability < 0.001 else f"{100 * probability:.1f}%"


def _superiority(plan: Plan, one: Superiority, arm: str) -> Message:
    return Message(
        template=HIGHER,
        params={
            "arm": arm,
            "chance": f"{100 * one.probability:.1f}%",
            "level": 100 * (1 - plan.alpha),
            "low": f"{100 * one.ci_low:.1f}%",
            "high": f"{100 * one.ci_high:.1f}%",
            "p": figures.p_value(one.p_value),
        },
    )


def _segments(plan: Plan, result: MetricResult, found: Segments, arm: str) -> Iterator[Message]:
    if math.isnan(found.p_value):
        return
    params: Params = {"arm": arm, "dimension": found.dimension, "p": figures.p_value(found.p_value)}
    yield Message(template=DIFFERS if found.differs else SAME, params=params)
    for one in found.segments:
        if math.isnan(one.p_value):
            continue
        spread = figures.half_width(one.ci_low, one.ci_high)
        scale = result.metric.scale
        yield Message(
            template=STANDS_OUT if one.stands_out else SEGMENT,
            params={
                "segment": one.segment or figures.ABSENT,
                "effect": figures.difference(one.shrunk, scale, plan.currency, spread=spread),
                "raw": figures.difference(one.effect, scale, plan.currency, spread=spread),
                "p": figures.p_value(one.p_value),
            },
        )


def _novelty(plan: Plan, result: MetricResult, names: dict[str, str]) -> Iterator[Message]:
    for one in result.novelty:
        if not math.isnan(one.p_value):
            # of a ratio's numerator, which is a count even where the ratio is a share
            ratio = result.metric.kind is Kind.RATIO and result.metric.scale is Scale.SHARE
            spread = figures.half_width(one.ci_low, one.ci_high)
            scale = Scale.NUMBER if ratio else result.metric.scale
            effect = figures.difference(one.effect, scale, plan.currency, spread=spread)
            params: Params = {"arm": names[one.arm], "effect": effect, "p": figures.p_value(one.p_value, one.log_p)}
            yield Message(template=FADES if one.significant else STEADY, params=params)


def _calibration(one: Calibration) -> Message:
    params: Params = {"share": f"{100 * one.false_positives:.1f}%", "runs": one.runs}
    return Message(template=CHECKED if one.passed else UNCHECKED, params=params)


def _differences(plan: Plan, result: MetricResult, *parts: float) -> tuple[str, ...]:
    spread = figures.half_width(parts[1], parts[2])
    return tuple(figures.difference(part, result.metric.scale, plan.currency, spread=spread) for part in parts)
