"""Had the units time to respond?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext
from experiments.inference.primary import primary_metric

KEY = "immature"
# With fewer than half of the units counted, the result is about the other users: those who came first.
WARNING_SHARE = 0.5

NO_WAIT = gettext_noop("Every unit had time to respond.")
SOME = gettext_noop("%(share).0f%% of the units have not had time to respond on %(metric)s, and do not count yet.")
MOST = gettext_noop(
    "%(share).0f%% of the units have not had time to respond on %(metric)s: the result is about those who came first."
)
WAIT = gettext_noop("Wait until most units have had their time, or decide by a metric with a shorter window.")


def check(context: HealthContext) -> Finding:
    """A warning where more than half of the units are too recent for the window of the primary metric."""
    primary = primary_metric(context.plan)
    units = sum(context.units.values())
    immature = context.immature.get(primary.key, 0) if primary else 0
    if primary is None or not units or immature <= 0:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NO_WAIT))
    share = min(immature / units, 1.0)
    warned = share > WARNING_SHARE
    return Finding(
        check=KEY,
        severity=Severity.WARNING if warned else Severity.OK,
        message=Message(template=MOST if warned else SOME, params={"share": 100 * share, "metric": primary.name}),
        action=Message(template=WAIT) if warned else None,
    )
