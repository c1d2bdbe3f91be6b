"""Did units arrive in the planned shares?"""

from __future__ import annotations

import math

from experiments import figures
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
SMALLEST_P = 1e-300  # below, a p-value is only said to be less

TOO_FEW = gettext_noop("There are too few units (%(n)d) to check the split.")
AS_PLANNED = gettext_noop(
    "The split is as planned: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%%."
)
AS_PLANNED_REPEATED = gettext_noop(
    "The split is as planned: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% "
    "(evidence against it %(e).2g to 1, alarm at 100)."
)
DOUBTFUL = gettext_noop(
    "Doubtful split: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% (p = %(p)s)."
)
WRONG_ONCE = gettext_noop(
    "The split is wrong: %(arm)s holds %(share).2f%% of the units, planned were %(planned).2f%% (p = %(p)s)."
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
    enough = n * min(shares) >= FEWEST_EXPECTED
    if not n or not (enough or context.plan.repeated_looks):
        return _finding(Severity.OK, TOO_FEW, {"n": n})
    params = _largest_departure(context.plan, counts, shares)
    if context.plan.repeated_looks:
        return _repeated(log_split_e_value(counts, weights), params, n=n, enough=enough)
    return _once(split_p_value(counts, weights), params)


def _repeated(log_e: float, params: Params, *, n: int, enough: bool) -> Finding:
    """The evidence holds for any number of units; that a split is as planned is only said of enough."""
    with_evidence = {**params, "e": math.exp(min(log_e, LARGEST_EXPONENT))}
    if log_e >= math.log(WRONG_E):
        return _finding(Severity.FAILURE, WRONG_REPEATED, with_evidence, FIND_THE_CAUSE)
    if not enough:
        return _finding(Severity.OK, TOO_FEW, {"n": n})
    return _finding(Severity.OK, AS_PLANNED_REPEATED, with_evidence)


def _once(p: float, params: Params) -> Finding:
    with_p = {**params, "p": figures.p_value(p, math.log(max(p, SMALLEST_P)))}
    if p < WRONG_P:
        return _finding(Severity.FAILURE, WRONG_ONCE, with_p, FIND_THE_CAUSE)
    if p < DOUBTFUL_P:
        return _finding(Severity.WARNING, DOUBTFUL, with_p, LOOK_INTO_IT)
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
