"""Student's t distribution: p-values that do not underflow, and critical values."""

from __future__ import annotations

import math

from scipy import special

SMALLEST = 1e-300  # of a p-value that is still taken from the survival function
TERMS = 6


def two_sided_p(t: float, df: float) -> tuple[float, float]:
    """P(|T| ≥ |t|) and its natural logarithm, which stays finite where p underflows.

    p = 2 S(|t|) with the survival function S, never 2 (1 − F).

    Args:
        t: statistic, finite.
        df: degrees of freedom, > 0.

    >>> p, log_p = two_sided_p(60.0, 5_000_000.0)
    >>> p, round(log_p, 2)
    (0.0, -1803.67)
    """
    p = float(2 * special.stdtr(df, -abs(t)))
    return p, math.log(p) if p > SMALLEST else log_tail(abs(t), df)


def log_tail(t: float, df: float) -> float:
    """ln P(|T| ≥ t) far in the tail, t ≫ 1.

    p = I_x(a, ½) with a = df / 2, x = df / (df + t²), and
    I_x(a, ½) = x^a (1 − x)^(−½) / (a B(a, ½)) · F(½, 1; a + 1; −df / t²): the terms of F fall fast in the tail.

    Source: M. Abramowitz, I. Stegun (1964), 26.7.1 and 6.6.8, with Pfaff's transformation 15.3.5.

    >>> round(log_tail(30.0, 1000.0) - math.log(2 * special.stdtr(1000.0, -30.0)), 9) + 0.0
    0.0
    """
    a = df / 2
    log_odds = 2 * math.log(t) - math.log(df)  # of t² to df
    log_sum = max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds)))  # ln(1 + t² / df)
    series = term = 1.0
    for k in range(TERMS):
        term *= -math.exp(-log_odds) * (k + 0.5) / (a + 1 + k)
        series += term
    log_beta = float(special.betaln(a, 0.5))
    return -a * log_sum - (log_odds - log_sum) / 2 - math.log(a) - log_beta + math.log(series)


def critical_value(alpha: float, df: float) -> float:
    """The t beyond which a two-sided p-value is below ``alpha``.

    >>> round(critical_value(0.05, 10.0), 4)
    2.2281
    """
    return -float(special.stdtrit(df, alpha / 2))
