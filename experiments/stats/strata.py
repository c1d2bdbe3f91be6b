"""Post-stratification: the same mix of strata in every arm."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.contracts import Kind, Reason
from experiments.stats.estimate import Estimate, estimate
from experiments.stats.moments import Moments


def poststratify(strata: Mapping[str, Mapping[str, Moments]], kind: Kind) -> dict[str, Estimate]:
    """Each arm's value with every stratum weighted by its share of all units, whichever arm they were in.

    value_a = Σ w_s m_as, se²_a = Σ w_s² se²_as, with w_s = n_s / n over all arms; so the difference of two arms is
    Σ w_s d_s with variance Σ w_s² SE²_s. Degrees of freedom by Satterthwaite over the strata.

    Args:
        strata: stratum → arm → moments of (value,), or of (numerator, denominator) for a ratio. A stratum must be known
            before exposure.
        kind: how the metric is computed.

    Returns:
        arm → value; nan and reasons where a stratum has fewer than two units of that arm.

    Source: L. Miratrix, J. Sekhon, B. Yu (2013), Adjusting treatment effect estimates by post-stratification in
    randomized experiments, JRSS B 75, 369-396.

    >>> old, new = Moments.from_arrays([1.0, 2.0, 3.0]), Moments.from_arrays([5.0, 7.0])
    >>> result = poststratify({"old": {"c": old, "t": old}, "new": {"c": new, "t": new}}, Kind.MEAN)
    >>> round(result["c"].mean, 3), result["c"].n
    (3.6, 5)
    """
    sizes = {stratum: sum(one.n for one in arms.values()) for stratum, arms in strata.items()}
    total = sum(sizes.values())
    shares = {stratum: size / total for stratum, size in sizes.items() if size}
    arms = dict.fromkeys(arm for by_arm in strata.values() for arm in by_arm)
    return {arm: _combine(strata, shares, arm, kind) for arm in arms}


def _combine(
    strata: Mapping[str, Mapping[str, Moments]], shares: Mapping[str, float], arm: str, kind: Kind
) -> Estimate:
    parts = {s: estimate(strata[s][arm], kind) if arm in strata[s] else None for s in shares}
    n = sum(part.n for part in parts.values() if part)
    lacking = [Reason.NO_UNITS for part in parts.values() if part is None]
    reasons = tuple(dict.fromkeys([*lacking, *(one for part in parts.values() if part for one in part.reasons)]))
    if not n or reasons:
        return Estimate(n=n, mean=math.nan, var=math.nan, reasons=reasons or (Reason.NO_UNITS,))
    pairs = [(shares[s], part) for s, part in parts.items() if part]
    squares = [(weight * part.se) ** 2 for weight, part in pairs]
    var = sum(squares)
    weighed = sum(square**2 / part.df for square, (_, part) in zip(squares, pairs, strict=True))
    df = var**2 / weighed if weighed else float(n - 1)
    return Estimate(
        n=n,
        mean=sum(weight * part.mean for weight, part in pairs),
        var=var * n,
        spent=max(n - math.floor(df + 1e-9), 1),
    )
