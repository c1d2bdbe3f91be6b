"""User-level intervals: of a mean over users, of figures that are none, and of a difference paired by user."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from recommenders.errors import InvalidData

Values = npt.NDArray[np.float64]

ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over ``n`` users with its interval and the p-value of "it is 0". nan where there is no answer."""

    n: int
    mean: float
    ci_low: float
    ci_high: float
    p_value: float


def t_interval(values: Values, *, alpha: float = ALPHA) -> Interval:
    """Student's interval of a mean: mean ± t_{1 − α/2, n − 1} · sd / √n.

    Users whose value is nan do not count. Without two users, or without any spread, there is no interval.

    Args:
        values: one a user, shape (users,).
        alpha: 1 − confidence, above 0 and below 1.

    Raises:
        InvalidData: alpha is not between 0 and 1.

    >>> interval = t_interval(np.array([0.0, 1.0, 1.0, 0.0]))
    >>> interval.n, interval.mean, round(interval.ci_low, 4), round(interval.ci_high, 4)
    (4, 0.5, -0.4187, 1.4187)
    """
    if not 0 < alpha < 1:
        raise InvalidData("alpha", f"{alpha:g} must be above 0 and below 1")
    known = values[~np.isnan(values)]
    n = known.size
    mean = float(known.mean()) if n else math.nan
    se = float(known.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    # the spread of a constant column is rounding
    if not se > 1e-12 * max(abs(mean), float(np.abs(known).max(initial=0.0))):
        return Interval(n=n, mean=mean, ci_low=math.nan, ci_high=math.nan, p_value=math.nan)
    half = float(stats.t.ppf(1 - alpha / 2, n - 1)) * se
    p_value = 2 * float(stats.t.sf(abs(mean) / se, n - 1))
    return Interval(n=n, mean=mean, ci_low=mean - half, ci_high=mean + half, p_value=p_value)


def paired(candidate: Values, reference: Values, *, alpha: float = ALPHA) -> Interval:
    """The difference candidate − reference over the users that both have a value for.

    >>> paired(np.array([0.5, 1.0, 0.0]), np.array([0.25, 0.5, 0.0])).mean
    0.25
    """
    return t_interval(candidate - reference, alpha=alpha)


def ratio_influence(numerators: Values, denominators: Values) -> Values:
    """One value a user whose mean is R = Σ a / Σ b and whose spread is that of R: R + (a_u − R b_u) / mean(b).

    So the t interval of these values is the delta-method interval of the ratio, and differences of two ratios can be
    paired by user. Users with b = 0 count. nan where Σ b is 0.

    Args:
        numerators: a, shape (users,).
        denominators: b, shape (users,), at least 0.

    >>> ratio_influence(np.array([1.0, 3.0]), np.array([1.0, 3.0])).tolist()
    [1.0, 1.0]
    """
    total = denominators.sum()
    if not total > 0:
        return np.full(numerators.size, np.nan)
    ratio = numerators.sum() / total
    influence: Values = ratio + (numerators - ratio * denominators) / (total / numerators.size)
    return influence
