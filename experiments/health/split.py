"""Did units arrive in the planned shares?"""

from __future__ import annotations

import math

from experiments.contracts import Finding, Message, Plan, Severity, gettext_noop
from experiments.health.context import HealthContext
from experiments.stats.split import log_split_e_value, planned_shares, split_p_value

Params = dict[str, str | int | float]

KEY = "split"
DOUBTFUL_P = 0.01
WRONG_P = 0.001
WRONG_E = 100.0
FEWEST_EXPECTED = 5  # units in every arm, below which the chi-square distribution does not hold
LARGEST_EXPONENT = 700.0  # exp of more overflows

TOO_FEW = gettext_noop("There are too few units (%(n)d) to check the split.")
AS_PLANNED = gettext_noop(
    "The split is as planned: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%%."
)
DOUBTFUL = gettext_noop(
    "Doubtful split: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% (p = %(p).2g)."
)
WRONG_ONCE = gettext_noop(
    "The split is wrong: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% (p = %(p).2g)."
)
WRONG_REPEATED = gettext_noop(
    "The split is wrong: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% "
    "(evidence %(e).2g to 1, valid at every look)."
)
LOOK_INTO_IT = gettext_noop(
    "Before acting on this, ask whether one arm can lose or gain units (redirects, errors, filters, bots)."
)
FIND_THE_CAUSE = gettext_noop(
    "Do not use the results. Find why one arm loses or gains units (redirects, filters, bots), then start again."
)


def check(context: HealthContext) -> Finding:
    """The sequential test where the experiment is looked at repeatedly, otherwise one chi-square test."""
    counts = [context.units.get(arm.key, 0) for arm in context.plan.arms]
    weights = [arm.weight for arm in context.plan.arms]
    shares = planned_shares(counts, weights)
    n = sum(counts)
    if n * min(shares) < FEWEST_EXPECTED:
        return _finding(Severity.OK, TOO_FEW, {"n": n})
    params = _largest_departure(context.plan, counts, shares)
    if context.plan.repeated_looks:
        log_e = log_split_e_value(counts, weights)
        if log_e < math.log(WRONG_E):
            return _finding(Severity.OK, AS_PLANNED, params)
        evidence = math.exp(min(log_e, LARGEST_EXPONENT))
        return _finding(Severity.FAILURE, WRONG_REPEATED, {**params, "e": evidence}, FIND_THE_CAUSE)
    p = split_p_value(counts, weights)
    if p < WRONG_P:
        return _finding(Severity.FAILURE, WRONG_ONCE, {**params, "p": p}, FIND_THE_CAUSE)
    if p < DOUBTFUL_P:
        return _finding(Severity.WARNING, DOUBTFUL, {**params, "p": p}, LOOK_INTO_IT)
    return _finding(Severity.OK, AS_PLANNED, params)


def _largest_departure(plan: Plan, counts: list[int], shares: tuple[float, ...]) -> Params:
    """The arm that is furthest from its planned share; of two arms, the control."""
    n = sum(counts)
    seen = [count / n for count in counts]
    worst = max(range(len(counts)), key=lambda i: round(abs(seen[i] - shares[i]), 12))
    return {"arm": plan.arms[worst].label, "share": 100 * seen[worst], "planned": 100 * shares[worst]}


def _finding(severity: Severity, template: str, params: Params, action: str | None = None) -> Finding:
    return Finding(
        check=KEY,
        severity=severity,
        message=Message(template=template, params=params),
        action=Message(template=action) if action else None,
    )
