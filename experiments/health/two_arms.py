"""Did any unit see more than one arm?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "two_arms"
# Leaving out a share s of units that behave k times as the others moves an arm's mean by up to s·|k − 1|: at 1 % that
# is as large as the effects that experiments look for.
FAILURE_SHARE = 0.01

NONE = gettext_noop("No unit was seen in two arms.")
SOME = gettext_noop("%(count)d units (%(share).2f%%) were seen in more than one arm and are left out.")
CHECK_ASSIGNMENT = gettext_noop(
    "Check that a unit keeps its arm: a lost cookie, a shared device, a changed id or weight."
)
FIX_ASSIGNMENT = gettext_noop(
    "Do not use the results. Repair the assignment so that a unit keeps its arm, then start again."
)


def check(context: HealthContext) -> Finding:
    """Any such unit is a warning, more than 1 % of all units a failure."""
    count = context.units_in_two_arms
    if not count:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NONE))
    share = count / (count + sum(context.units.values()))
    failed = share > FAILURE_SHARE
    return Finding(
        check=KEY,
        severity=Severity.FAILURE if failed else Severity.WARNING,
        message=Message(template=SOME, params={"count": count, "share": 100 * share}),
        action=Message(template=FIX_ASSIGNMENT if failed else CHECK_ASSIGNMENT),
    )
