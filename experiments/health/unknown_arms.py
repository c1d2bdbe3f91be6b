"""Did units turn up in an arm that is not planned?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "unknown_arms"

NONE = gettext_noop("All units are in planned arms.")
SOME = gettext_noop("%(count)d units are in arms that are not planned and are left out: %(arms)s.")
CHECK_KEYS = gettext_noop("Check the spelling of the arm's key where exposures are sent, or plan the arm.")


def check(context: HealthContext) -> Finding:
    """Any such unit is a warning; where a planned arm stays empty for it, that is a failure of its own."""
    unknown = {arm: count for arm, count in context.unknown_arms.items() if count}
    if not unknown:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NONE))
    return Finding(
        check=KEY,
        severity=Severity.WARNING,
        message=Message(template=SOME, params={"count": sum(unknown.values()), "arms": ", ".join(sorted(unknown))}),
        action=Message(template=CHECK_KEYS),
    )
