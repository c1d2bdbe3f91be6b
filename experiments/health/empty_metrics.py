"""Does every metric have data?"""

from __future__ import annotations

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "empty_metrics"

MEASURED = gettext_noop("Every metric has data.")
EMPTY = gettext_noop("Nothing was measured in any arm for: %(metrics)s.")
CHECK_EVENTS = gettext_noop("Check that the events behind the metric are sent and carry the unit's id.")


def check(context: HealthContext) -> Finding:
    """A metric that is 0 for every unit of every arm is a warning: its events are probably not sent."""
    empty = [metric.name for metric in context.plan.metrics if not _has_data(context, metric.key)]
    if not empty:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=MEASURED))
    return Finding(
        check=KEY,
        severity=Severity.WARNING,
        message=Message(template=EMPTY, params={"metrics": ", ".join(empty)}),
        action=Message(template=CHECK_EVENTS),
    )


def _has_data(context: HealthContext, metric: str) -> bool:
    if context.immature.get(metric, 0) >= sum(context.units.values()) > 0:
        return True  # its time is still to come
    arms = context.moments.get(metric, {}).values()
    return any(any(moments.mean) or any(moments.comoment[0]) for moments in arms if moments.n)
