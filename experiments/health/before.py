"""Were the arms alike before exposure?"""

from __future__ import annotations

from experiments import figures
from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext
from experiments.health.differences import differences

KEY = "before"
# Of one comparison. The count stands in the sentence, because chance flags one comparison in a thousand; a warning and
# no more, because it does so and because adjusting by the covariate takes most of such a difference away again.
UNLIKE_P = 0.001

NOTHING_KNOWN = gettext_noop("Nothing is known from before exposure by which the arms could be compared.")
ALIKE = gettext_noop(
    "The arms were alike before exposure (covariates: %(covariates)d, comparisons: %(count)d): the smallest p-value is "
    "%(p)s, of %(covariate)s in %(arm)s."
)
UNLIKE = gettext_noop(
    "The arms differed before exposure: %(covariate)s of %(arm)s was %(difference)s standard deviations from that of "
    "%(control)s (p = %(p)s; below 0.001 are %(flagged)d of %(count)d comparisons)."
)
ASK_WHY = gettext_noop(
    "Ask how units were assigned: chance does this once in a thousand comparisons. "
    "Until you know, read only results that are adjusted for it."
)


def check(context: HealthContext) -> Finding:
    """The most surprising difference; a warning where its p-value, by Welch's test, is below .001."""
    found = differences(context)
    if not found:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NOTHING_KNOWN))
    worst = found[0]
    params: dict[str, str | int | float] = {
        "covariates": len({one.covariate for one in found}),
        "count": len(found),
        "flagged": sum(one.p_value < UNLIKE_P for one in found),
        "covariate": worst.covariate,
        "arm": worst.arm.label,
        "control": context.plan.arms[0].label,
        "difference": worst.text,
        "p": figures.p_value(worst.p_value, worst.log_p),
    }
    unlike = worst.p_value < UNLIKE_P
    return Finding(
        check=KEY,
        severity=Severity.WARNING if unlike else Severity.OK,
        message=Message(template=UNLIKE if unlike else ALIKE, params=params),
        action=Message(template=ASK_WHY) if unlike else None,
    )
