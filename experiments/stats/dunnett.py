"""Several treatments against one control: how surprising the most extreme of their comparisons is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from experiments.errors import InvalidInput
from experiments.stats.student import critical_value, two_sided_p

Array = npt.NDArray[np.float64]

LARGEST = 0.998  # loading: treatments almost without variance; taking less correlation than there is errs to caution
DEPTH = 33.0  # integrands are followed down to e^−33 of their peak
REACH = math.sqrt(2 * DEPTH)  # the same in standard deviations
STEP = 0.8  # of the trapezoidal rules, in widths of a Gaussian: the error is e^(−2π²/STEP²) = 4e-14


def loadings(control_se: float, ses: Sequence[float]) -> tuple[float, ...]:
    """The share of each comparison's variance that comes from the control: λ_i = control_se² / se_i².

    Args:
        control_se: standard error of the control's value.
        ses: standard error of each treatment's difference from it; those that are not above 0 are left out, they answer
            nothing.

    Returns:
        one per usable treatment, in [0, 1].

    >>> loadings(0.3, [0.5, 0.6, math.nan])
    (0.36, 0.25)
    """
    if not math.isfinite(control_se):
        return ()
    return tuple(min((control_se / se) ** 2, 1.0) for se in ses if 0 < se < math.inf)


@dataclass(frozen=True, slots=True)
class Dunnett:
    """The most extreme of several treatments' comparisons with one control, two-sided.

    The comparisons share the control's noise: the correlation of t_i and t_j is √(λ_i λ_j). Exact for normal values
    with one variance; arms with variances of their own make it an approximation, in which every comparison keeps the
    degrees of freedom it has. Fewer than two treatments are Student's t.

    Args:
        loadings: λ_i of every treatment of the family, in [0, 1], see :func:`loadings`.

    Raises:
        InvalidInput: a loading out of range.

    Sources: C. W. Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control,
    JASA 50, 1096-1121; C. W. Dunnett (1964), New tables for multiple comparisons with a control, Biometrics 20,
    482-491.

    >>> round(Dunnett((0.5, 0.5, 0.5)).critical(0.05, math.inf), 3)
    2.349
    """

    loadings: tuple[float, ...]

    def __post_init__(self) -> None:
        if any(not 0 <= loading <= 1 for loading in self.loadings):
            raise InvalidInput("loadings", f"{self.loadings} must all be in [0, 1]")

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """P(max_j |T_j| ≥ |t|) and its logarithm."""
        if len(self.loadings) < 2:
            return two_sided_p(t, df)
        log_p = _log_p(abs(t), df, self.loadings)
        return math.exp(log_p), log_p

    def critical(self, alpha: float, df: float) -> float:
        """The |t| whose p-value is ``alpha``."""
        if len(self.loadings) < 2:
            return critical_value(alpha, df)
        return _critical(alpha, df, self.loadings)


@lru_cache(maxsize=4096)
def _critical(alpha: float, df: float, loadings: tuple[float, ...]) -> float:
    """Between one comparison's critical value and Bonferroni's, a little apart for rounding."""
    low, high = critical_value(alpha, df) * 0.999, critical_value(alpha / len(loadings), df) * 1.001
    if not math.isfinite(high):
        return math.inf
    log_alpha = math.log(alpha)
    return float(optimize.brentq(lambda t: _log_p(t, df, loadings) - log_alpha, low, high, xtol=1e-14, rtol=1e-14))


def _log_p(t: float, df: float, loadings: tuple[float, ...]) -> float:
    """ln P(max |Z_i| / s ≥ t) with s² = χ²_df / df.

    Given s the probability is e^(−x²/2) g(x) at x = t s, with a slowly varying g. e^(−x²/2) and the density of
    v = df s²/2 are together a gamma density again, so P = (1 + t²/df)^(−df/2) E[g(t √(2 v / (df + t²)))] with
    v ~ Gamma(df/2): no underflow at any t. The expectation is a trapezoidal rule in y = ln(2 v / df), which converges
    exponentially.
    """
    if math.isinf(df):
        return min(float(_log_g(np.array([t]), loadings)[0]) - t * t / 2, 0.0)
    a, ratio = df / 2, t / math.sqrt(df)
    reach = math.sqrt(2 * DEPTH / a) + DEPTH / a
    step = STEP / math.sqrt(a + 7)
    y = np.arange(-reach, math.log1p(reach) + step, step)
    weights = np.exp(a * (y - np.expm1(y)))
    log_g = _log_g(t / math.hypot(1.0, ratio) * np.exp(y / 2), loadings)
    peak = float(log_g.max())
    mean = float(weights @ np.exp(log_g - peak) / weights.sum())
    growth = math.log1p(ratio * ratio) if ratio < 1e100 else 2 * math.log(ratio)
    return min(math.log(mean) + peak - a * growth, 0.0)


def _log_g(x: Array, loadings: tuple[float, ...]) -> Array:
    """ln [e^(x²/2) P(max |Z_i| ≥ x)], shape (m,) as x ≥ 0, with Z_i = √λ_i U + √(1 − λ_i) E_i.

    P = 2 ∫_0^∞ φ(u) [1 − Π (1 − q_i(u))] du, q_i(u) = P(|Z_i| ≥ x | U = u). The bracket is summed as
    Σ q_i Π_{j<i} (1 − q_j), all terms positive. The trapezoidal rule runs where U lies given |Z_i| ≥ x; its step is set
    by the narrowest product of Gaussians that occurs, of width (1 + Σ λ_i / (1 − λ_i))^(−1/2).
    """
    shared = [min(loading, LARGEST) for loading in loadings]
    width = (1 + math.fsum(loading / (1 - loading) for loading in shared)) ** -0.5
    roots = [(math.sqrt(loading), math.sqrt(1 - loading)) for loading in shared]
    far = np.sqrt(x * x + REACH * REACH)  # beyond it Z_i is e^−DEPTH times as likely as beyond x
    start = np.maximum(np.min([b * x - REACH * s for b, s in roots], axis=0), 0.0)
    end = np.max([b * far + REACH * s for b, s in roots], axis=0)
    intervals = math.ceil(float((end - start).max()) / (STEP * width))
    step = (end - start) / intervals
    u = start + step * np.arange(intervals + 1)[:, None]
    log_density = (x - u) * (x + u) / 2
    total, none = np.zeros_like(u), np.ones_like(u)
    for b, s in roots:
        above, below = special.log_ndtr((b * u - x) / s), special.log_ndtr(-(b * u + x) / s)
        total += (np.exp(log_density + above) + np.exp(log_density + below)) * none
        none *= -np.expm1(above) - np.exp(below)
    total[0] /= 2
    return np.asarray(np.log(total.sum(axis=0) * step * math.sqrt(2 / math.pi)), dtype=np.float64)
