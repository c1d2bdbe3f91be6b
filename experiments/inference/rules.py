"""Which rule judges a comparison: by the stopping plan and by the number of treatments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.contracts import Correction, Looks, Plan, Stopping
from experiments.errors import InvalidInput
from experiments.stats.comparison import ONCE
from experiments.stats.dunnett import Dunnett, loadings
from experiments.stats.estimate import Estimate
from experiments.stats.rule import Rule, Sidak
from experiments.stats.sequence import Sequence as ConfidenceSequence
from experiments.stats.spending import Spending

# A confidence sequence is valid for any; half of a rough guess loses little (docs/statistics/sequential.md).
UNPLANNED_UNITS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One treatment and the control, estimated as they are compared."""

    arm: str
    control: Estimate
    treatment: Estimate


def look_rule(plan: Plan, looks: Looks, contrast: Contrast, *, share: float = 1.0) -> Rule:
    """The rule of one comparison at this look.

    Args:
        plan, looks: how often the result may be read, and how far the experiment is.
        contrast: the treatment and the control.
        share: of all units that can be in the comparison, in (0, 1]; a segment has only some of them.

    Raises:
        InvalidInput: the plan spends its error rate up to a number of units, and names none.
    """
    if plan.stopping is Stopping.SPENDING:
        if plan.planned_units is None:
            raise InvalidInput("planned_units", "none given, must be above 0 to spend the error rate up to there")
        return Spending(looks.fractions) if looks.fractions else ONCE
    if plan.stopping is Stopping.SEQUENCE:
        n = contrast.control.n + contrast.treatment.n
        planned = share * _planned_units(plan, contrast.arm)
        return ConfidenceSequence(n=float(n), planned_n=planned, alpha=plan.alpha) if n else ONCE
    return ONCE


def _planned_units(plan: Plan, arm: str) -> float:
    """Of this arm and the control. From the plan, not from what came in: the sequence is tuned before it starts."""
    if not plan.planned_units:
        return UNPLANNED_UNITS
    compared = sum(one.weight for one in plan.arms if one.key in (plan.arms[0].key, arm))
    return plan.planned_units * compared / sum(one.weight for one in plan.arms)


def family_rules(plan: Plan, looks: Looks, contrasts: Sequence[Contrast]) -> tuple[tuple[Rule, ...], Correction]:
    """A rule for each treatment, such that the chance of any false alarm among them is alpha."""
    rules = tuple(look_rule(plan, looks, contrast) for contrast in contrasts)
    if len(contrasts) < 2:
        return rules, Correction.NONE
    errors = [math.hypot(one.control.se, one.treatment.se) for one in contrasts]
    if plan.stopping is not Stopping.ONCE or not all(math.isfinite(se) and se > 0 for se in errors):
        return tuple(Sidak(rule=rule, comparisons=len(rules)) for rule in rules), Correction.SIDAK
    dunnett = Dunnett(loadings(contrasts[0].control.se, tuple(errors)))
    return (dunnett,) * len(rules), Correction.DUNNETT
