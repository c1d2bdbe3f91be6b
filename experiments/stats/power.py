"""The chance that a t-test finds an effect, by the noncentral t distribution, and its two inverses."""

from __future__ import annotations

import math

from scipy import optimize, special

from experiments.stats.student import critical_value

# Units in an arm; of fewer nobody plans an experiment, and the noncentral t of a very small alpha loses its digits.
LEAST = 5.0
# Degrees of freedom beyond which the approximation is within 2e-12; the error of scipy's noncentral t at whole degrees
# of freedom grows with them, to 6e-12 here and 2e-8 at 1e10.
LARGE = 1e6


def chance(delta: float, df: float, level: float, *, one_sided: bool = False) -> float:
    """P(|T| ≥ c) of a noncentral t, c = t_{1−level/2, df}; only P(T ≥ c) where it is one-sided.

    In large samples Φ(δ − z_{1−level/2}) + Φ(−δ − z_{1−level/2}).

    Args:
        delta: noncentrality effect / se, ≥ 0.
        df: degrees of freedom, at least 4.
        level: two-sided error rate of the test.

    >>> round(chance(0.0, 30.0, 0.05), 12), round(chance(2.8016, 1e9, 0.05), 4)
    (0.05, 0.8)
    """
    critical = critical_value(level, df)
    above = 1 - _cdf(delta, df, critical)
    return above if one_sided else above + _cdf(delta, df, -critical)


def _cdf(delta: float, df: float, t: float) -> float:
    """P(T ≤ t), within 1e-11.

    In large samples Φ((t (1 − 1 / (4 df)) − δ) / √(1 + t² / (2 df))).

    Source: M. Abramowitz, I. Stegun (1964), 26.7.10.
    """
    if df > LARGE:
        return float(special.ndtr((t * (1 - 1 / (4 * df)) - delta) / math.sqrt(1 + t * t / (2 * df))))
    probability = float(special.nctdtr(df, delta, t))
    # scipy has no number for some probabilities below 1e-12
    return 0.0 if math.isnan(probability) else probability


def noncentrality(df: float, level: float, power: float) -> float:
    """The noncentrality at which :func:`chance` is ``power``, which is above ``level``.

    In large samples z_{1−level/2} + z_power.

    >>> round(noncentrality(1e9, 0.05, 0.8), 4), round(noncentrality(10.0, 0.05, 0.8), 4)
    (2.8016, 3.11)
    """
    most = _normal(level, power)
    while chance(most, df, level) < power:
        most *= 2
    return float(optimize.brentq(lambda delta: chance(delta, df, level) - power, 0.0, most, xtol=1e-12, rtol=1e-12))


def units_for(
    signal: float, spread: float, pair: tuple[float, float], level: float, power: float, *, one_sided: bool = False
) -> float:
    """The real number of units N at which the chance of finding ``signal`` is ``power``.

    δ = signal √(N / spread). In large samples N = (z_{1−level/2} + z_power)² spread / signal².

    Args:
        signal: absolute difference, above 0.
        spread: variance of the difference times N.
        pair: shares of the N units in control and treatment.
        level, power: as in :func:`chance`.

    Returns:
        N; the number that gives both arms 5 units where less would do; inf or nan where there is none.

    >>> round(units_for(1.0, 4.0, (0.5, 0.5), 0.05, 0.8), 2)
    33.43
    """
    control, treatment = pair

    def lacking(units: float) -> float:
        df = welch_df(control * units, treatment * units)
        return power - chance(signal * math.sqrt(units / spread), df, level, one_sided=one_sided)

    ratio = _normal(level, power) / signal
    least = LEAST / min(pair)
    most = max(spread * ratio * ratio, least)
    if not (0 < spread < math.inf and most < math.inf):
        return math.nan
    if lacking(least) <= 0:
        return least
    while lacking(most) > 0:
        most *= 2
    return float(optimize.brentq(lacking, least, most, xtol=1e-9, rtol=1e-12))


def _normal(level: float, power: float) -> float:
    return float(special.ndtri(power) - special.ndtri(level / 2))


def welch_df(n_c: float, n_t: float) -> float:
    """Welch–Satterthwaite's degrees of freedom for two arms of equal variance.

    >>> round(welch_df(20.0, 20.0), 9)
    38.0
    """
    share_c, share_t = n_t / (n_c + n_t), n_c / (n_c + n_t)
    return 1 / (share_c * share_c / (n_c - 1) + share_t * share_t / (n_t - 1))
