"""Scores with few levels (survey answers): who tends to be higher, and means of those who answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from experiments.contracts import Reason, Superiority
from experiments.errors import InvalidInput
from experiments.stats.counts import Counts
from experiments.stats.estimate import Estimate
from experiments.stats.moments import Column, Moments
from experiments.stats.student import critical_value, two_sided_p

EVEN = 0.5  # the probability where neither arm tends to be higher
ROUNDING = 1e-9  # of degrees of freedom that are a whole number


def superiority(control: Counts | Column, treatment: Counts | Column, *, alpha: float, arm: str = "") -> Superiority:
    """P(T > C) + P(T = C) / 2 with the test and interval of Brunner and Munzel, from the counts of each level.

    θ̂ = mean over treatment units of G_C, G_C(y) = (share of control units below y) + (share equal to y) / 2; it is the
    Mann–Whitney statistic U / (n_T n_C). With s²_T the sample variance of G_C over treatment units and s²_C that of G_T
    over control units: se² = s²_T / n_T + s²_C / n_C; t = (θ̂ − ½) / se with Welch–Satterthwaite degrees of freedom;
    interval θ̂ ± t_{1−alpha/2, df} · se, cut at 0 and 1. p ≤ alpha exactly when ½ is outside. Unlike the p-value of
    Mann–Whitney, which is that of two equal distributions, this one holds when the arms spread differently.

    Args:
        control, treatment: one score per unit, or scores with their counts. Only their order is used.
        alpha: two-sided error rate, in (0, 1).
        arm: the treatment's key.

    Returns:
        the probability and its inference. The inference is nan with NO_VARIANCE where the arms do not overlap or all
        units are equal, with TOO_FEW_UNITS where an arm has one unit; all is nan with NO_UNITS, or with MISSING where a
        score is not finite.

    Raises:
        InvalidInput: alpha out of range.

    Source: E. Brunner, U. Munzel (2000), The nonparametric Behrens-Fisher problem, Biometrical Journal 42, 17-25.

    >>> result = superiority([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 3.0, 4.0], alpha=0.05, arm="treatment")
    >>> result.probability, round(result.p_value, 4), round(result.ci_low, 4), result.ci_high
    (0.8125, 0.0873, 0.4379, 1.0)
    """
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    c, t = (scores if isinstance(scores, Counts) else Counts.from_values(scores) for scores in (control, treatment))
    if not c.n or not t.n:
        return _unjudged(arm, math.nan, Reason.NO_UNITS)
    if not (np.isfinite(c.values).all() and np.isfinite(t.values).all()):
        return _unjudged(arm, math.nan, Reason.MISSING)
    probability, (var_t, var_c) = _placements(c, t)
    if min(c.n, t.n) < 2:
        return _unjudged(arm, probability, Reason.TOO_FEW_UNITS)
    share_t, share_c = var_t / t.n, var_c / c.n
    if share_t + share_c == 0:
        return _unjudged(arm, probability, Reason.NO_VARIANCE)
    se = math.sqrt(share_t + share_c)
    df = (share_t + share_c) ** 2 / (share_t**2 / (t.n - 1) + share_c**2 / (c.n - 1))
    p_value, _ = two_sided_p((probability - EVEN) / se, df)
    low, high = _interval(probability, critical_value(alpha, df) * se, p_value <= alpha)
    return Superiority(arm=arm, probability=probability, se=se, df=df, ci_low=low, ci_high=high, p_value=p_value)


def _unjudged(arm: str, probability: float, reason: Reason) -> Superiority:
    unknown = math.nan
    return Superiority(
        arm=arm,
        probability=probability,
        se=unknown,
        df=unknown,
        ci_low=unknown,
        ci_high=unknown,
        p_value=unknown,
        reasons=(reason,),
    )


def _placements(c: Counts, t: Counts) -> tuple[float, tuple[float, float]]:
    """θ̂, and the sample variances of where each arm's units (treatment, control) lie in the other arm."""
    levels = np.union1d(c.values, t.values)
    at_c, at_t = (_on(levels, arm) for arm in (c, t))
    # twice the units below plus those equal: whole numbers, so equal places are equal to the last bit
    place_t, place_c = (2 * np.cumsum(other) - other for other in (at_c, at_t))
    probability = int((at_t * place_t).sum()) / (2 * c.n * t.n)
    return probability, (
        _variance(place_t / (2 * c.n), at_t, probability),
        _variance(place_c / (2 * t.n), at_c, 1 - probability),
    )


def _on(levels: npt.NDArray[np.float64], arm: Counts) -> npt.NDArray[np.int64]:
    """The arm's units at each of the levels."""
    units = np.zeros(levels.size, dtype=np.int64)
    units[np.searchsorted(levels, arm.values)] = arm.counts
    return units


def _variance(places: npt.NDArray[np.float64], units: npt.NDArray[np.int64], mean: float) -> float:
    """With ddof = 1, exactly 0 where all units have one place."""
    used = places[units > 0]
    n = int(units.sum())
    if n < 2 or used.min() == used.max():
        return 0.0
    return float((units * (places - mean) ** 2).sum()) / (n - 1)


def _interval(probability: float, margin: float, significant: bool) -> tuple[float, float]:
    """Cut at 0 and 1, and on the side of ½ where the p-value says it is."""
    low, high = max(probability - margin, 0.0), min(probability + margin, 1.0)
    if not significant:
        return min(low, EVEN), max(high, EVEN)
    nearest = math.nextafter(EVEN, probability)
    return (max(low, nearest), high) if probability > EVEN else (low, min(high, nearest))


def weighted_by_profile(scores: Sequence[Sequence[Moments]], exposed: Sequence[Sequence[int]]) -> tuple[Estimate, ...]:
    """The mean score of each arm as if its responders had the profiles of everybody exposed (post-stratification).

    w_s = share of stratum s among the exposed of all arms together; m_a = Σ w_s ȳ_as over responders;
    se²_a = Σ w_s² s²_as / n_as, degrees of freedom by Satterthwaite over the strata, rounded down. Randomised arms have
    the same profiles, so they share the weights, and what the shares themselves vary by cancels in the difference. It
    removes what the profile explains of who answers, and no more.

    Args:
        scores: per arm, control first, and per stratum: moments of the responders' scores.
        exposed: per arm and stratum: all exposed units, whether they answered or not.

    Returns:
        one estimate per arm with n = responders and var = n · se². NO_UNITS and nan where nobody of a stratum that has
        exposed units answered in that arm, TOO_FEW_UNITS and a nan ``var`` where one did: merge strata. MISSING where a
        mean score is not finite.

    Raises:
        InvalidInput: shapes that differ, or fewer exposed than responders.

    Source: D. Holt, T. M. F. Smith (1979), Post stratification, JRSS A 142, 33-46.

    >>> young, old = Moments.from_arrays([2.0, 2.0, 5.0]), Moments.from_arrays([5.0, 4.0])
    >>> weighted_by_profile([[young, old]], [[10, 30]])[0].mean
    4.125
    """
    if len(scores) != len(exposed) or any(len(a) != len(b) for a, b in zip(scores, exposed, strict=False)):
        raise InvalidInput("exposed", "must have one count for each stratum of each arm")
    if len({len(arm) for arm in exposed}) > 1:
        raise InvalidInput("exposed", "must have the same strata in every arm")
    for arm, counts in zip(scores, exposed, strict=True):
        for answers, count in zip(arm, counts, strict=True):
            if count < answers.n:
                raise InvalidInput("exposed", f"{count} must be at least the {answers.n} who answered")
    totals = [sum(stratum) for stratum in zip(*exposed, strict=True)]
    used = [s for s, total in enumerate(totals) if total]
    weights = [totals[s] / sum(totals) for s in used]
    return tuple(_weighted([arm[s] for s in used], weights) for arm in scores)


def _weighted(strata: Sequence[Moments], weights: Sequence[float]) -> Estimate:
    n = sum(stratum.n for stratum in strata)
    if not strata or any(not stratum.n for stratum in strata):
        return Estimate(n=n, mean=math.nan, var=math.nan, reasons=(Reason.NO_UNITS,))
    mean = sum(w * stratum.mean[0] for w, stratum in zip(weights, strata, strict=True))
    if not math.isfinite(mean):
        return Estimate(n=n, mean=math.nan, var=math.nan, reasons=(Reason.MISSING,))
    if any(stratum.n < 2 for stratum in strata):
        return Estimate(n=n, mean=mean, var=math.nan, reasons=(Reason.TOO_FEW_UNITS,))
    parts = [w * w * stratum.var[0] / stratum.n for w, stratum in zip(weights, strata, strict=True)]
    squares = sum(part**2 / (stratum.n - 1) for part, stratum in zip(parts, strata, strict=True))
    df = math.floor(sum(parts) ** 2 / squares + ROUNDING) if squares else n - len(strata)
    return Estimate(n=n, mean=mean, var=n * sum(parts), spent=n - df)
