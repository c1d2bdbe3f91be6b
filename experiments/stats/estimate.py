"""The value of one metric in one arm, and how far its units spread."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from experiments.contracts import ArmSummary, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats.moments import Moments
from experiments.stats.ratio import linearised_variance

# A standard deviation of a few units in the last place of the mean is rounding, not spread.
ROUNDING = 8 * sys.float_info.epsilon


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One arm on one metric. ``var`` (ddof = 1) is of the per-unit values, of the linearised values for a ratio.

    ``spent`` are the degrees of freedom that the variance has used up: 1 for the mean, and 1 for each covariate.
    ``reasons`` say why ``mean`` or ``var`` is nan.
    """

    n: int
    mean: float
    var: float
    spent: int = 1
    reasons: tuple[Reason, ...] = ()

    @property
    def se(self) -> float:
        """The standard error of ``mean``."""
        return math.sqrt(self.var / self.n) if self.n else math.nan

    @property
    def df(self) -> int:
        """The degrees of freedom of ``var``."""
        return self.n - self.spent


def estimate(moments: Moments, kind: Kind) -> Estimate:
    """The value of a metric: ȳ for means and proportions, ȳ / v̄ for ratios, with the variance behind it.

    Args:
        moments: of (value,) for means and proportions (0 or 1 per unit), of (numerator, denominator) for ratios;
            further columns are covariates and change nothing here.
        kind: how the metric is computed.

    Returns:
        value and per-unit variance; nan and reasons where there are no units, fewer than two, no denominator, or a
        value that is not finite.

    >>> estimate(Moments.from_arrays([1.0, 2.0, 6.0]), Kind.MEAN)
    Estimate(n=3, mean=3.0, var=7.0, spent=1, reasons=())
    """
    width = width_of(kind)
    if len(moments.mean) < width:
        raise InvalidInput("moments", f"a {kind} needs {width} column(s), got {len(moments.mean)}")
    if not moments.n:
        return _unknown(moments, Reason.NO_UNITS)
    if not all(map(math.isfinite, moments.mean[:width])):
        return _unknown(moments, Reason.MISSING)
    if kind is Kind.RATIO and not moments.mean[1]:
        return _unknown(moments, Reason.NO_DENOMINATOR)
    mean = moments.mean[0] / moments.mean[1] if kind is Kind.RATIO else moments.mean[0]
    if moments.n < 2:
        return Estimate(n=moments.n, mean=mean, var=math.nan, reasons=(Reason.TOO_FEW_UNITS,))
    var = linearised_variance(moments) if kind is Kind.RATIO else moments.var[0]
    if not (math.isfinite(mean) and math.isfinite(var)):
        return _unknown(moments, Reason.MISSING)
    if math.sqrt(var) <= ROUNDING * abs(mean):
        var = 0.0
    return Estimate(n=moments.n, mean=mean, var=var)


def width_of(kind: Kind) -> int:
    """How many columns a metric has before its covariates.

    >>> width_of(Kind.RATIO), width_of(Kind.MEAN)
    (2, 1)
    """
    return 2 if kind is Kind.RATIO else 1


def _unknown(moments: Moments, reason: Reason) -> Estimate:
    return Estimate(n=moments.n, mean=math.nan, var=math.nan, reasons=(reason,))


def summarise(arm: str, moments: Moments, kind: Kind, value: Estimate | None = None) -> ArmSummary:
    """One arm on one metric as a page shows it: n, sums, value and standard deviation; of ``value`` where it is given.

    >>> summarise("control", Moments.from_arrays([1.0, 0.0, 2.0], [2.0, 2.0, 2.0]), Kind.RATIO)
    ArmSummary(arm='control', n=3, numerator=3.0, denominator=6.0, mean=0.5, sd=0.5, reasons=())
    """
    value = value or estimate(moments, kind)
    return ArmSummary(
        arm=arm,
        n=moments.n,
        numerator=moments.n * moments.mean[0],
        denominator=moments.n * moments.mean[1] if kind is Kind.RATIO else float(moments.n),
        mean=value.mean,
        sd=math.sqrt(value.var),
        reasons=value.reasons,
    )
