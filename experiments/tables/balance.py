"""Were the arms alike before the experiment? One finding per covariate and treatment; nothing is adjusted by it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from experiments import figures
from experiments.contracts import Comparison, Finding, Kind, Message, Plan, Scale, Severity, gettext_noop
from experiments.stats.comparison import compare
from experiments.stats.moments import Moments

KEY = "balance"
UNLIKE_P = 0.001  # METHODS: each metric before exposure, p < .001 flags

ALIKE = gettext_noop(
    "Before the experiment, %(covariate)s: %(control)s %(control_mean)s, %(arm)s %(mean)s (%(effect)s, p = %(p)s)."
)
UNLIKE = gettext_noop(
    "The arms differed before the experiment, %(covariate)s: %(control)s %(control_mean)s, %(arm)s %(mean)s "
    "(%(effect)s, p = %(p)s)."
)
UNKNOWN = gettext_noop("Before the experiment, %(covariate)s: %(arm)s cannot be compared (%(reasons)s).")
ASK_WHY = gettext_noop(
    "Ask how units were assigned; a chance of less than one in a thousand says it was not at random."
)


def balance_findings(
    plan: Plan, covariates: Sequence[str], moments: Sequence[Mapping[str, Moments]]
) -> tuple[Finding, ...]:
    """A warning where p < .001, otherwise a line that says how alike the arms were."""
    return tuple(
        finding
        for covariate, by_arm in zip(covariates, moments, strict=True)
        for finding in _of_covariate(plan, covariate, by_arm)
    )


def _of_covariate(plan: Plan, covariate: str, by_arm: Mapping[str, Moments]) -> Iterator[Finding]:
    control, *treatments = plan.arms
    before = by_arm.get(control.key, Moments.empty(1))
    for arm in treatments:
        after = by_arm.get(arm.key, Moments.empty(1))
        comparison = compare(before, after, kind=Kind.MEAN, alpha=plan.alpha, control_name=control.key, arm=arm.key)
        yield _finding(covariate, control.label, arm.label, comparison, before.mean[0])


def _finding(covariate: str, control: str, arm: str, comparison: Comparison, control_mean: float) -> Finding:
    if math.isnan(comparison.p_value):
        reasons = ", ".join(comparison.reasons)
        params = {"covariate": covariate, "arm": arm, "reasons": reasons}
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=UNKNOWN, params=params))
    unlike = comparison.p_value < UNLIKE_P
    spread = figures.half_width(comparison.ci_low, comparison.ci_high)
    params = {
        "covariate": covariate,
        "control": control,
        "arm": arm,
        "control_mean": figures.value(control_mean, Scale.NUMBER, spread=spread),
        "mean": figures.value(control_mean + comparison.effect, Scale.NUMBER, spread=spread),
        "effect": figures.difference(comparison.effect, Scale.NUMBER, spread=spread),
        "p": figures.p_value(comparison.p_value, comparison.log_p),
    }
    return Finding(
        check=KEY,
        severity=Severity.WARNING if unlike else Severity.OK,
        message=Message(template=UNLIKE if unlike else ALIKE, params=params),
        action=Message(template=ASK_WHY) if unlike else None,
    )
