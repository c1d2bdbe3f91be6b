"""Do enough units come?"""

from __future__ import annotations

import math

from experiments import figures
from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "low_exposure"
FEWEST_UNITS = 100  # in every arm: below, the means of most metrics are not near enough to normal
FEWEST_DAYS = 7.0  # of exposure, before a pace is worth telling: a whole week
MOST_DAYS = 180.0  # half a year; shops, cookies and strategies change meanwhile

ENOUGH = gettext_noop("Every arm has at least %(fewest)d units.")
FEW = gettext_noop("%(arm)s has %(n)d units: too few to rely on normal intervals, which want %(fewest)d.")
SLOW = gettext_noop(
    "At the pace so far the planned %(planned)s units take %(days)s days; %(units)s came in %(so_far).0f."
)
WAIT = gettext_noop("Wait for more units before you read anything into the numbers.")
PLAN_AGAIN = gettext_noop(
    "Expose more users, or plan again for the units that can be had and the effect they can show."
)


def check(context: HealthContext) -> Finding:
    """A warning where an arm has fewer than 100 units, or the planned ones would take more than 180 days."""
    smallest = min(context.plan.arms, key=lambda arm: context.units.get(arm.key, 0))
    n = context.units.get(smallest.key, 0)
    if n < FEWEST_UNITS:
        params: dict[str, str | int | float] = {"arm": smallest.label, "n": n, "fewest": FEWEST_UNITS}
        return _warning(FEW, params, WAIT)
    days = _days_needed(context)
    if days > MOST_DAYS:
        params = {
            "planned": figures.count(context.looks.planned_units or 0),
            "units": figures.count(context.looks.units),
            "days": figures.count(math.ceil(days)),
            "so_far": context.looks.days,
        }
        return _warning(SLOW, params, PLAN_AGAIN)
    return Finding(check=KEY, severity=Severity.OK, message=Message(template=ENOUGH, params={"fewest": FEWEST_UNITS}))


def _days_needed(context: HealthContext) -> float:
    """days · planned / units in all; nan where no end is planned or still to come, or too early to tell."""
    looks = context.looks
    if context.plan.complete or not looks.planned_units or not looks.units or not looks.days >= FEWEST_DAYS:
        return math.nan
    return looks.days * looks.planned_units / looks.units


def _warning(template: str, params: dict[str, str | int | float], action: str) -> Finding:
    return Finding(
        check=KEY,
        severity=Severity.WARNING,
        message=Message(template=template, params=params),
        action=Message(template=action),
    )
