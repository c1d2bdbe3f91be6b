"""Does what units did before exposure say which arm they are in?"""

from __future__ import annotations

import math

from experiments import figures
from experiments.contracts import Finding, Message, Scale, Severity, gettext_noop
from experiments.health.context import HealthContext
from experiments.health.differences import Difference, differences

KEY = "not_randomised"
# Both must hold. The p-value is for all comparisons together, so chance does this once in a million experiments; a
# difference that is small beside the spread of the units is left to the check ``before``, however many units show it.
NOT_CHANCE_P = 1e-6
LARGE = 0.1  # standard deviations

NOTHING_KNOWN = gettext_noop(
    "Nothing is known from before exposure, so only the plan says that units were assigned at random."
)
COMPARABLE = gettext_noop(
    "The arms can be compared: before exposure they differed by at most %(difference)s standard deviations "
    "(%(covariate)s in %(arm)s)."
)
NOT_AT_RANDOM = gettext_noop(
    "The arms were not formed at random: before exposure, %(covariate)s of %(arm)s was %(difference)s standard "
    "deviations from that of %(control)s (p = %(p)s for all %(count)d comparisons together)."
)
FIND_THE_RULE = gettext_noop(
    "Do not use the results. Find the rule by which units came into an arm, and start again with assignment at random; "
    "of these data, only the change since before exposure can be compared."
)


def check(context: HealthContext) -> Finding:
    """A failure where a comparison has p · count < 1e-6 (Bonferroni) and a difference above .1 standard deviations.

    Bonferroni's bound holds however the covariates depend on each other; Fisher's sum of logarithms does not.
    """
    found = differences(context)
    if not found:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NOTHING_KNOWN))
    apart = [one for one in found if _size(one) > LARGE and _log_joint(one, len(found)) < math.log(NOT_CHANCE_P)]
    worst = max(apart or found, key=_size)
    params: dict[str, str | int | float] = {
        "covariate": worst.covariate,
        "arm": worst.arm.label,
        "control": context.plan.arms[0].label,
        "difference": figures.value(_size(worst), Scale.NUMBER, spread=worst.spread),
        "p": figures.p_value(min(len(found) * worst.p_value, 1.0), _log_joint(worst, len(found))),
        "count": len(found),
    }
    if not apart:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=COMPARABLE, params=params))
    return Finding(
        check=KEY,
        severity=Severity.FAILURE,
        message=Message(template=NOT_AT_RANDOM, params=params),
        action=Message(template=FIND_THE_RULE),
    )


def _size(one: Difference) -> float:
    return abs(one.standardised)


def _log_joint(one: Difference, count: int) -> float:
    return min(one.log_p + math.log(count), 0.0)
