"""Less variance by what was known of the units before exposure: regression adjustment (Lin; CUPED is one covariate)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from experiments.contracts import Kind, Reason
from experiments.stats.estimate import Estimate, estimate, width_of
from experiments.stats.moments import Moments, merge_all

# A direction of the covariates that holds less than this share of their correlation is rounding or a repetition.
SINGULAR = 1e-10

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """The arms of one metric, adjusted. ``reduction`` is the share of the variance of the means that went away.

    ``slopes`` and ``spread`` (covariance of the covariates, all arms) are kept for :meth:`shared_variance`.
    """

    estimates: Mapping[str, Estimate]
    slopes: Mapping[str, Vector]
    spread: Vector
    n: int
    reduction: float

    def pair(self, control: str, treatment: str) -> tuple[Estimate, Estimate]:
        """Control and treatment as they are compared.

        The treatment's variance takes in what both arms share: the covariates' mean is itself estimated, which matters
        where the slopes differ. (β_T − β_C)ᵀ Σ (β_T − β_C) / N.
        """
        c, t = self.estimates[control], self.estimates[treatment]
        difference = self.slopes[treatment] - self.slopes[control]
        shared = float(difference @ self.spread @ difference) / self.n if self.n else 0.0
        return c, replace(t, var=t.var + shared * t.n) if shared > 0 else t


def adjust(by_arm: Mapping[str, Moments], kind: Kind) -> Adjusted:
    """Each arm's value, moved to the covariate mean of all arms along the arm's own regression line.

    value_a = ȳ_a − β_aᵀ (x̄_a − x̄), β_a the slopes of ordinary least squares in arm a, from the Gram matrix of
    [1, X, y]; var_a = (C_yy − β_aᵀ C_xy) / (n_a − 1 − p), p covariates that vary. For a ratio y is the linearised
    (y_i − R v_i) / v̄. The difference of two values is Lin's estimator; it never has more variance than the plain one in
    large samples, whatever the split. A covariate that does not vary changes nothing.

    Args:
        by_arm: moments of (value, x…), or of (numerator, denominator, x…) for a ratio; every arm that is compared.
        kind: how the metric is computed.

    Returns:
        the arms' values; an arm with no more units than coefficients keeps its plain value.

    Source: W. Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics
    7, 295-318; A. Deng, Y. Xu, R. Kohavi, T. Walker (2013), Improving the sensitivity of online controlled experiments
    by utilizing pre-experiment data, WSDM; for the shared term A. Negi, J. Wooldridge (2021), Econometric Reviews 40.

    >>> x = [0.0, 1.0, 2.0, 3.0]
    >>> arms = {"c": Moments.from_arrays([1.0, 3.0, 5.1, 6.9], x), "t": Moments.from_arrays([2.1, 3.9, 6.0, 8.0], x)}
    >>> adjusted = adjust(arms, Kind.MEAN)
    >>> round(adjusted.estimates["t"].mean - adjusted.estimates["c"].mean, 6), round(adjusted.reduction, 3)
    (1.0, 0.999)
    """
    width = width_of(kind)
    usable = {arm: moments for arm, moments in by_arm.items() if moments.n}
    everyone = merge_all(usable.values()) if usable else Moments.empty(width)
    columns = range(width, len(everyone.mean))
    spread = np.array(everyone.take(columns).comoment, dtype=np.float64).reshape(len(columns), len(columns))
    plain = {arm: estimate(moments, kind) for arm, moments in by_arm.items()}
    slopes, estimates = {}, {}
    for arm, moments in by_arm.items():
        slopes[arm], estimates[arm] = _regress(moments, plain[arm], kind, everyone)
    return Adjusted(
        estimates=estimates,
        slopes=slopes,
        spread=spread / everyone.n if everyone.n else spread,
        n=everyone.n,
        reduction=_reduction(plain, estimates),
    )


def _regress(moments: Moments, plain: Estimate, kind: Kind, everyone: Moments) -> tuple[Vector, Estimate]:
    """The slopes in one arm, and its value at everyone's covariate mean."""
    width = width_of(kind)
    count = len(everyone.mean) - width
    none = np.zeros(count)
    if plain.reasons or not plain.var or not count:
        return none, plain
    gram = np.array(moments.comoment, dtype=np.float64)
    if not np.isfinite(gram).all():
        return none, replace(plain, mean=math.nan, var=math.nan, reasons=(Reason.MISSING,))
    xx = gram[width:, width:]
    xy = gram[width:, 0]
    if kind is Kind.RATIO:
        xy = (xy - plain.mean * gram[width:, 1]) / moments.mean[1]
    beta, rank = _solve(xx, xy)
    df = moments.n - 1 - rank
    if not rank or df < 1:
        return none, plain
    shift = np.array(moments.mean[width:]) - np.array(everyone.mean[width:])
    explained = float(beta @ xy)
    total = plain.var * (moments.n - 1)
    var = max(total - explained, 0.0) / df
    return beta, Estimate(n=moments.n, mean=plain.mean - float(beta @ shift), var=var, spent=1 + rank)


def _solve(xx: Vector, xy: Vector) -> tuple[Vector, int]:
    """Least squares on the covariates' correlation matrix, leaving out directions without spread; and their number."""
    sd = np.sqrt(np.diag(xx))
    varies = sd > 0
    scale = np.where(varies, sd, 1.0)
    values, vectors = np.linalg.eigh(xx / np.outer(scale, scale))
    kept = values > SINGULAR * max(float(values[-1]), 1.0) if values.size else varies
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    beta = vectors @ (inverse * (vectors.T @ (xy / scale))) / scale
    return np.where(varies, beta, 0.0), int(kept.sum())


def _reduction(plain: Mapping[str, Estimate], adjusted: Mapping[str, Estimate]) -> float:
    before = sum(one.se**2 for one in plain.values())
    after = sum(one.se**2 for one in adjusted.values())
    return 1 - after / before if before > 0 and math.isfinite(after) else math.nan
