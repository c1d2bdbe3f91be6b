"""One treatment against control on one metric."""

from __future__ import annotations

import math
from dataclasses import replace

from experiments.contracts import Comparison, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats.estimate import Estimate, estimate
from experiments.stats.fieller import relative_interval
from experiments.stats.moments import Moments
from experiments.stats.rule import Once, Rule

ONCE = Once()


def compare(
    control: Moments, treatment: Moments, *, kind: Kind, alpha: float, control_name: str, arm: str
) -> Comparison:
    """Welch's test of treatment minus control, with absolute and relative intervals that agree with its p-value.

    effect = m_T − m_C; se² = s²_T / n_T + s²_C / n_C; t = effect / se with Welch–Satterthwaite degrees of freedom
    df = se⁴ / ((s²_T / n_T)² / (n_T − 1) + (s²_C / n_C)² / (n_C − 1)); interval effect ± t_{1−α/2, df} · se.
    s² is the sample variance of the per-unit values (0 or 1 for a proportion), of the linearised values for a ratio.
    The relative interval is Fieller's with the same critical value. p ≤ alpha exactly when 0 is outside either one.

    Args:
        control, treatment: moments of (value,), or of (numerator, denominator) for a ratio.
        kind: how the metric is computed.
        alpha: two-sided error rate, in (0, 1).
        control_name, arm: the arms' keys.

    Returns:
        the comparison; nan and reasons where the data cannot answer. Two arms without variance cannot; one can.

    Raises:
        InvalidInput: alpha out of range, or moments of the wrong width.

    Source: B. L. Welch (1947), Biometrika 34, 28-35; F. E. Satterthwaite (1946), Biometrics Bulletin 2, 110-114.

    >>> control, treatment = Moments.from_arrays([1.0, 2.0, 3.0]), Moments.from_arrays([4.0, 5.0, 6.0])
    >>> result = compare(control, treatment, kind=Kind.MEAN, alpha=0.05, control_name="control", arm="treatment")
    >>> result.effect, round(result.ci_low, 3), round(result.ci_high, 3), round(result.p_value, 4), result.rel_effect
    (3.0, 0.733, 5.267, 0.0213, 1.5)
    """
    return compare_estimates(
        estimate(control, kind), estimate(treatment, kind), alpha=alpha, control_name=control_name, arm=arm
    )


def compare_estimates(
    control: Estimate,
    treatment: Estimate,
    *,
    alpha: float,
    control_name: str,
    arm: str,
    rule: Rule = ONCE,
) -> Comparison:
    """The comparison of two estimates, however they came about (adjusted, stratified, a quantile).

    Args:
        control, treatment: values with the variance behind them.
        alpha: error rate at which the comparison is reported.
        control_name, arm: the arms' keys.
        rule: how surprising t = effect / se is, and how large it must be.

    Raises:
        InvalidInput: alpha out of range.

    >>> one, other = Estimate(n=100, mean=10.0, var=4.0), Estimate(n=100, mean=11.0, var=4.0)
    >>> result = compare_estimates(one, other, alpha=0.05, control_name="control", arm="treatment")
    >>> round(result.ci_low, 3), round(result.ci_high, 3), round(result.p_value, 6)
    (0.442, 1.558, 0.000507)
    """
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    points = _points(control, treatment, alpha=alpha, control_name=control_name, arm=arm)
    se = math.hypot(control.se, treatment.se)
    if any(reason is not Reason.ZERO_BASELINE for reason in points.reasons):
        return points
    if se == 0:
        return replace(points, reasons=(Reason.NO_VARIANCE, *points.reasons))
    if not math.isfinite(points.effect / se):
        return replace(points, reasons=(Reason.MISSING, *points.reasons))
    return _judged(points, control, treatment, se, rule)


def _points(c: Estimate, t: Estimate, *, alpha: float, control_name: str, arm: str) -> Comparison:
    """The point estimates alone, nothing inferred."""
    reasons = tuple(dict.fromkeys(c.reasons + t.reasons))
    effect = t.mean - c.mean
    rel_effect = effect / c.mean if c.mean else math.nan
    if not math.isfinite(rel_effect) and math.isfinite(effect):
        rel_effect = math.nan
        reasons = (*reasons, Reason.ZERO_BASELINE)
    return Comparison(
        arm=arm,
        control=control_name,
        effect=effect,
        se=math.nan,
        df=math.nan,
        ci_low=math.nan,
        ci_high=math.nan,
        p_value=math.nan,
        log_p=math.nan,
        rel_effect=rel_effect,
        rel_ci_low=math.nan,
        rel_ci_high=math.nan,
        alpha=alpha,
        reasons=reasons,
    )


def _judged(points: Comparison, c: Estimate, t: Estimate, se: float, rule: Rule) -> Comparison:
    share_c, share_t = (c.se / se) ** 2, (t.se / se) ** 2
    df = 1 / (share_c**2 / c.df + share_t**2 / t.df)
    statistic = points.effect / se
    p_value, log_p = rule.p_value(statistic, df)
    critical = rule.critical(points.alpha, df)
    if math.isinf(critical):
        return replace(points, se=se, df=df, reasons=(Reason.TOO_EARLY, *points.reasons))
    margin = critical * se
    low, high = _agree(points.effect - margin, points.effect + margin, points.effect, p_value <= points.alpha)
    rel_low, rel_high, reasons = _relative(points, c, t, critical, outside=low > 0 or high < 0)
    return Comparison(
        arm=points.arm,
        control=points.control,
        effect=points.effect,
        se=se,
        df=df,
        ci_low=low,
        ci_high=high,
        p_value=p_value,
        log_p=log_p,
        rel_effect=points.rel_effect,
        rel_ci_low=rel_low,
        rel_ci_high=rel_high,
        alpha=points.alpha,
        critical=critical,
        unadjusted_p=p_value if rule is ONCE else ONCE.p_value(statistic, df)[0],
        reasons=reasons,
    )


def _relative(
    points: Comparison, c: Estimate, t: Estimate, critical: float, *, outside: bool
) -> tuple[float, float, tuple[Reason, ...]]:
    """The relative interval, and all that is to be said about the comparison."""
    if Reason.ZERO_BASELINE in points.reasons:
        return math.nan, math.nan, points.reasons
    low, high = relative_interval(
        control_mean=c.mean,
        treatment_mean=t.mean,
        control_se=c.se,
        treatment_se=t.se,
        critical=critical,
        significant=outside,
    )
    low, high = _agree(low, high, points.rel_effect, outside)
    if math.isinf(low) or math.isinf(high):
        return low, high, (*points.reasons, Reason.UNBOUNDED)
    if low == high:  # a treatment of nothing but zeros: its ratio to any control is exactly 0
        return low, high, (*points.reasons, Reason.NO_VARIANCE)
    return low, high, points.reasons


def _agree(low: float, high: float, effect: float, significant: bool) -> tuple[float, float]:
    """The interval, its side next to 0 moved by the rounding that separates it from the p-value's answer."""
    if not significant:
        return min(low, 0.0), max(high, 0.0)
    nearest = math.nextafter(0.0, effect)
    return (max(low, nearest), high) if effect > 0 else (low, min(high, nearest))
