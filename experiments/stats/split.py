"""Whether units arrived in the planned shares (sample ratio mismatch)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from experiments.errors import InvalidInput

CONCENTRATION = 1000.0  # A: how close to the plan the alternatives lie


def planned_shares(counts: Sequence[int], weights: Sequence[float]) -> tuple[float, ...]:
    """The weights as shares of 1, checked against the counts.

    >>> planned_shares([10, 20], [1.0, 3.0])
    (0.25, 0.75)
    """
    if len(counts) != len(weights) or len(counts) < 2:
        raise InvalidInput("weights", f"{len(weights)} for {len(counts)} arms, must be one each for two or more arms")
    if any(not weight > 0 or math.isinf(weight) for weight in weights):
        raise InvalidInput("weights", f"{tuple(weights)} must all be above 0")
    if any(count < 0 for count in counts):
        raise InvalidInput("counts", f"{tuple(counts)} must not be negative")
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def split_p_value(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Pearson's chi-square test of the counts against the planned weights, for one look.

    X² = Σ (x_j − n p_j)² / (n p_j) on k − 1 degrees of freedom.

    Args:
        counts: units per arm.
        weights: planned, one per arm, > 0, relative to each other.

    Returns:
        the p-value; nan where there are no units. Wants five expected units in every arm.

    Source: K. Pearson (1900); R. Fabijan et al. (2019), Diagnosing sample ratio mismatch, KDD.

    >>> round(split_p_value([44_700, 45_489], [1.0, 1.0]), 4)
    0.0086
    """
    shares = planned_shares(counts, weights)
    n = sum(counts)
    if not n:
        return math.nan
    statistic = math.fsum((x - n * p) ** 2 / (n * p) for x, p in zip(counts, shares, strict=True))
    return float(special.chdtrc(len(counts) - 1, statistic))


def log_split_e_value(
    counts: Sequence[int], weights: Sequence[float], *, concentration: float = CONCENTRATION
) -> float:
    """The natural logarithm of the evidence against the planned weights, valid at every look.

    e = Γ(A) / Γ(n + A) · Π Γ(x_j + A p_j) / Γ(A p_j) · Π p_j^(−x_j): the Bayes factor of a Dirichlet(A p) alternative.
    Under the plan, the chance that e ever reaches 100 is at most 1 in 100, however often one looks. The logarithm is
    returned because e overflows on real mismatches.

    Args:
        counts: units per arm so far.
        weights: planned, one per arm, > 0, relative to each other.
        concentration: A > 0; larger values look for smaller departures.

    Returns:
        ln e, 0 where there are no units.

    Source: M. Lindon, A. Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS.

    >>> round(log_split_e_value([5_100, 4_900], [1.0, 1.0]), 3)
    0.619
    >>> log_split_e_value([51_000, 49_000], [1.0, 1.0]) > math.log(100)
    True
    """
    shares = planned_shares(counts, weights)
    n = sum(counts)
    arms = math.fsum(
        math.lgamma(x + concentration * p) - math.lgamma(concentration * p) - x * math.log(p)
        for x, p in zip(counts, shares, strict=True)
    )
    return math.lgamma(concentration) - math.lgamma(n + concentration) + arms
