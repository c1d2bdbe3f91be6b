"""Do events arrive in time?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "late"
WARNING_SHARE = 0.01  # of the events, more than a day late: as much is missing from the last day

NO_EVENTS = gettext_noop("There are no events whose arrival could be checked.")
IN_TIME = gettext_noop("%(share).2f%% of the events arrived more than a day late.")
LATE = gettext_noop("%(share).2f%% of the events arrived more than a day late, so the last day is not complete yet.")
READ_AGAIN = gettext_noop("Read the results again when the last day is two days old, and find what holds events back.")


def check(context: HealthContext) -> Finding:
    """A warning where more than 1 % of the events arrived more than a day after they happened."""
    if context.events <= 0:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NO_EVENTS))
    share = context.late_events / context.events
    late = share > WARNING_SHARE
    return Finding(
        check=KEY,
        severity=Severity.WARNING if late else Severity.OK,
        message=Message(template=LATE if late else IN_TIME, params={"share": 100 * share}),
        action=Message(template=READ_AGAIN) if late else None,
    )
