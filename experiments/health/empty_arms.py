"""Does every planned arm have units?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "empty_arms"

FILLED = gettext_noop("Every arm has units.")
EMPTY = gettext_noop("No units were seen in: %(arms)s.")
CHECK_EXPOSURES = gettext_noop("Check that exposures are sent for every arm, under the arm's key.")


def check(context: HealthContext) -> Finding:
    """An arm without units leaves nothing to compare, so it is a failure."""
    empty = [arm.label for arm in context.plan.arms if not context.units.get(arm.key)]
    if not empty:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=FILLED))
    return Finding(
        check=KEY,
        severity=Severity.FAILURE,
        message=Message(template=EMPTY, params={"arms": ", ".join(empty)}),
        action=Message(template=CHECK_EXPOSURES),
    )
