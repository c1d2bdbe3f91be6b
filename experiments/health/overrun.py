"""Does the experiment go on beyond its planned end?"""

from __future__ import annotations

from experiments import figures
from experiments.contracts import Finding, Message, Severity, Stopping, gettext_noop
from experiments.health.context import HealthContext

KEY = "overrun"
MOST_TIMES = 1.05  # of the planned units: the last day brings more than were missing

NO_END = gettext_noop("The stopping plan has no end that could be overrun.")
WITHIN = gettext_noop("%(units)s of %(planned)s planned units are in.")
OVER = gettext_noop(
    "%(units)s units are in where %(planned)s were planned: the error rate is spent, so a later look settles nothing."
)
STOP = gettext_noop(
    "Decide by the first result that had all planned units and stop the experiment; plan a new one for a new answer."
)


def check(context: HealthContext) -> Finding:
    """A warning where a plan that spends its error rate was read at its end already, or is far beyond it."""
    looks = context.looks
    if context.plan.stopping is not Stopping.SPENDING or not looks.planned_units:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NO_END))
    params = {"units": figures.count(looks.units), "planned": figures.count(looks.planned_units)}
    if looks.after_end or looks.units > MOST_TIMES * looks.planned_units:
        return Finding(
            check=KEY,
            severity=Severity.WARNING,
            message=Message(template=OVER, params=params),
            action=Message(template=STOP),
        )
    return Finding(check=KEY, severity=Severity.OK, message=Message(template=WITHIN, params=params))
