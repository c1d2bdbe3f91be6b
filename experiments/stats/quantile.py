"""Quantiles of a per-unit value (p90 of latency), with a bootstrap over units that never resamples them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from experiments.contracts import Reason
from experiments.errors import InvalidInput
from experiments.stats.counts import Counts
from experiments.stats.estimate import Estimate
from experiments.stats.moments import Column

FEWEST_DRAWS = 1000
FEWEST_BEYOND = 5  # units expected on the thin side of a quantile; with fewer its spread is that of the extremes
ROUNDING = 1e-12  # 1 − 0.9 is a little less than 0.1


def resampled_quantiles(counts: Counts, q: float, *, draws: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The q-quantiles of ``draws`` bootstrap samples of all units, without resampling any.

    A bootstrap sample of n units draws x_(⌈n U_i⌉), i = 1…n, with U_i uniform on (0, 1). Its k-th value is
    x_(⌈n U_(k)⌉), and the k-th of n uniforms is Beta(k, n − k + 1). So one Beta variable has exactly the distribution
    of the quantile of one resampled data set, at a cost that does not grow with n.

    Args:
        counts: at least one unit.
        q: which quantile, in (0, 1).
        draws: how many.
        rng: their source.

    >>> resampled_quantiles(Counts.from_values([7.0, 7.0]), 0.5, draws=3, rng=np.random.default_rng(1)).tolist()
    [7.0, 7.0, 7.0]
    """
    n = counts.n
    place = math.ceil(n * q)
    return _at(counts, np.minimum((n * rng.beta(place, n - place + 1, draws)).astype(np.int64), n - 1))


def quantile_estimate(values: Counts | Column, q: float, *, draws: int = 2000, rng: np.random.Generator) -> Estimate:
    """A quantile over units and its bootstrap variance, in the shape that a comparison of means reads.

    The quantile is the inverse of the empirical distribution: x_(k) with k = ⌈n q⌉, the smallest value that a share q
    of the units or more does not exceed. var = n · (variance of the resampled quantiles, ddof = 1), so that the
    standard error √(var / n) is the bootstrap's. Of a value with few levels the quantile jumps from one to the next,
    and the bootstrap takes it for settled too often; so the standard error is at least half the distance from the
    quantile to the nearest other value drawn, the standard deviation of a toss-up between the two.

    Args:
        values: one value per unit in any order, or distinct values with their counts.
        q: which quantile, in (0, 1).
        draws: of the bootstrap, ≥ 1,000.
        rng: source of the draws; give both arms the same one, one after the other.

    Returns:
        the quantile as ``mean``, and ``var``, 0 where all draws are equal. TOO_FEW_UNITS and a nan ``var`` where
        n · min(q, 1 − q) < 5; NO_UNITS; MISSING where a value or the variance is not finite.

    Raises:
        InvalidInput: q or ``draws`` out of range.

    Source: B. Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26;
    J. S. Maritz, R. G. Jarrett (1978), A note on estimating the variance of the sample median, JASA 73, 194-196.

    >>> quantile_estimate(np.arange(1.0, 101.0), 0.9, rng=np.random.default_rng(1)).mean
    90.0
    """
    if not 0 < q < 1:
        raise InvalidInput("q", f"{q:g} must be above 0 and below 1")
    if draws < FEWEST_DRAWS:
        raise InvalidInput("draws", f"{draws} must be at least {FEWEST_DRAWS}")
    counts = values if isinstance(values, Counts) else Counts.from_values(values)
    n = counts.n
    if not n:
        return Estimate(n=0, mean=math.nan, var=math.nan, reasons=(Reason.NO_UNITS,))
    if not np.isfinite(counts.values).all():
        return Estimate(n=n, mean=math.nan, var=math.nan, reasons=(Reason.MISSING,))
    value = float(_at(counts, np.array([math.ceil(n * q) - 1]))[0])
    if n * min(q, 1 - q) < FEWEST_BEYOND * (1 - ROUNDING):
        return Estimate(n=n, mean=value, var=math.nan, reasons=(Reason.TOO_FEW_UNITS,))
    drawn = resampled_quantiles(counts, q, draws=draws, rng=rng)
    var = n * _variance(drawn, value)
    if not math.isfinite(var):
        return Estimate(n=n, mean=math.nan, var=math.nan, reasons=(Reason.MISSING,))
    return Estimate(n=n, mean=value, var=var)


def _variance(drawn: npt.NDArray[np.float64], value: float) -> float:
    """Of the resampled quantiles around the quantile, exactly 0 where all are equal to it."""
    with np.errstate(over="ignore", invalid="ignore"):
        away = drawn - value
        jumps = np.abs(away[away != 0])
        return float(max(np.var(away, ddof=1), (jumps.min() / 2) ** 2)) if jumps.size else 0.0


def _at(counts: Counts, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The values of the units at these places, 0-based, units in ascending order of value."""
    return counts.values[np.searchsorted(np.cumsum(counts.counts), places, side="right")]
