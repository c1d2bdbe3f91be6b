"""Many metrics at once: which of them differ, when a given share of those named may be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.errors import InvalidInput
from experiments.stats.student import SMALLEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Discoveries:
    """A family of p-values judged together, in the order in which they came.

    ``adjusted`` are the step-up p-values, ``log_adjusted`` their natural logarithms; ``rejected`` is how many are at
    most alpha. ``level`` is the error rate at which the interval of every member is drawn, found or not; nan without
    members.
    """

    adjusted: tuple[float, ...]
    log_adjusted: tuple[float, ...]
    rejected: int
    level: float


def benjamini_hochberg(
    p_values: Sequence[float], alpha: float, log_p_values: Sequence[float] | None = None
) -> Discoveries:
    """Benjamini and Hochberg's procedure, and the level of the intervals that agree with it.

    With p_(1) ≤ … ≤ p_(m): R = max {k: p_(k) ≤ k alpha / m}, adjusted_(i) = min over j ≥ i of m p_(j) / j, at most 1,
    and level = max(R, 1) alpha / m. The expected share of false ones among the R is at most alpha; so is, of the R
    intervals at ``level``, the expected share that miss the truth. Both for independent or positively dependent
    statistics.

    adjusted ≤ alpha exactly when p ≤ level:

    * p ≤ level, R ≥ 1: then p ≤ p_(R), or else it would be p_(i) with i > R and p_(i) ≤ R alpha / m < i alpha / m, and
      R would not be the largest. So adjusted ≤ m p_(R) / R ≤ alpha.
    * p ≤ level, R = 0: impossible, the smallest p would be ≤ alpha / m, and R at least 1.
    * adjusted ≤ alpha: then m p_(j) / j ≤ alpha for some p_(j) ≥ p, hence j ≤ R and p ≤ p_(j) ≤ j alpha / m ≤ level.

    The last bit: R is found by comparing p with the rounded level itself, which does not fall with k, so the steps
    above hold in floating point; an adjusted value that rounding put on the other side of alpha is moved to it.

    Args:
        p_values: of the family, each in [0, 1]; nan is no member, not counted in m, and keeps its place.
        alpha: false discovery rate, in (0, 1).
        log_p_values: their natural logarithms, for members whose p underflows.

    Returns:
        adjusted p-values, how many are at most alpha, and the level of the intervals.

    Raises:
        InvalidInput: alpha or a p-value out of range, or logarithms of another length.

    Sources: Y. Benjamini, Y. Hochberg (1995), JRSS B 57, 289-300; Y. Benjamini, D. Yekutieli (2005), False discovery
    rate-adjusted multiple confidence intervals for selected parameters, JASA 100, 71-81.

    >>> found = benjamini_hochberg([0.01, 0.6, 0.02, math.nan], 0.05)
    >>> [round(p, 3) for p in found.adjusted], found.rejected, round(found.level, 4)
    ([0.03, 0.6, 0.03, nan], 2, 0.0333)
    """
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    if any(p < 0 or p > 1 for p in p_values):
        raise InvalidInput("p_values", f"{tuple(p_values)} must all be in [0, 1]")
    logs = [math.log(p) if p else -math.inf for p in p_values] if log_p_values is None else list(log_p_values)
    if len(logs) != len(p_values):
        raise InvalidInput("log_p_values", f"{len(logs)} for {len(p_values)} p-values, must be one each")
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: (p_values[i], logs[i]))
    m = len(order)
    rejected = max((k for k, i in enumerate(order, 1) if p_values[i] <= _level(k, m, alpha)), default=0)
    adjusted, log_adjusted = [math.nan] * len(logs), [math.nan] * len(logs)
    p, log_p = 1.0, 0.0
    for k, i in reversed(list(enumerate(order, 1))):
        p, log_p = min(p, p_values[i] * m / k), min(log_p, logs[i] + math.log(m / k))
        p = min(p, alpha) if k <= rejected else max(p, math.nextafter(alpha, 1.0))
        adjusted[i], log_adjusted[i] = p, math.log(p) if p > SMALLEST else log_p
    return Discoveries(
        adjusted=tuple(adjusted),
        log_adjusted=tuple(log_adjusted),
        rejected=rejected,
        level=_level(max(rejected, 1), m, alpha) if m else math.nan,
    )


def _level(k: int, m: int, alpha: float) -> float:
    """k alpha / m, exactly alpha at k = m."""
    return alpha * (k / m)
