"""Is a treatment no worse than a tolerated margin? One-sided, on the side of harm."""

from __future__ import annotations

import math

from experiments.contracts import Comparison, Direction, Guardrail, Standing
from experiments.errors import InvalidInput
from experiments.stats.comparison import ONCE
from experiments.stats.estimate import Estimate
from experiments.stats.rule import Rule


def non_inferiority(
    control: Estimate,
    treatment: Estimate,
    comparison: Comparison,
    *,
    margin: float | None,
    direction: Direction,
    rule: Rule = ONCE,
) -> Guardrail:
    """The test that the relative harm is less than ``margin``, against that it is as much or more.

    For a metric that should rise, harm is a fall: t = (m_T − (1 − margin) m_C) / √(se²_T + (1 − margin)² se²_C), and
    p = P(T ≥ t), half of the rule's two-sided p-value. For one that should fall, 1 + margin takes the place of
    1 − margin and the sign of t turns. p ≤ alpha / 2 exactly when the harmful end of the relative (Fieller) interval at
    alpha lies within the margin, so the interval that is shown and the verdict agree.

    Args:
        control, treatment: as they were compared.
        comparison: of the two, at alpha.
        margin: tolerated relative harm, in (0, 1); None asks for no margin, and only harm can be found.
        direction: which way is good.
        rule: the rule of the comparison.

    Returns:
        ``holds`` within the margin, else ``harmed`` where the comparison is significant in the bad direction, else
        ``open``.

    Raises:
        InvalidInput: margin out of range.

    Source: ICH E9 (1998), Statistical principles for clinical trials, 3.3.2; E. C. Fieller (1954).

    >>> from experiments.stats.comparison import compare_estimates
    >>> one, other = Estimate(n=10_000, mean=10.0, var=4.0), Estimate(n=10_000, mean=9.98, var=4.0)
    >>> compared = compare_estimates(one, other, alpha=0.05, control_name="control", arm="treatment")
    >>> result = non_inferiority(one, other, compared, margin=0.01, direction=Direction.INCREASE)
    >>> result.standing, round(result.p_value, 4), round(result.bound, 4)
    (<Standing.HOLDS: 'holds'>, 0.0022, -0.0075)
    """
    if margin is not None and not 0 < margin < 1:
        raise InvalidInput("margin", f"{margin:g} must be above 0 and below 1")
    sign = 1.0 if direction is Direction.INCREASE else -1.0
    # a fraction of a negative control points the other way
    low_is_bad = (sign > 0) == (control.mean > 0)
    bound = comparison.rel_ci_low if low_is_bad else comparison.rel_ci_high
    harmed = comparison.significant and comparison.effect * sign < 0
    p_value = math.nan
    if margin is not None and not math.isnan(comparison.p_value) and control.mean:
        p_value = _one_sided(control, treatment, comparison.df, margin, sign, rule)
    holds = p_value <= comparison.alpha / 2
    return Guardrail(
        arm=comparison.arm,
        margin=math.nan if margin is None else margin,
        p_value=p_value,
        bound=bound,
        standing=Standing.HOLDS if holds else Standing.HARMED if harmed else Standing.OPEN,
    )


def _one_sided(control: Estimate, treatment: Estimate, df: float, margin: float, sign: float, rule: Rule) -> float:
    """With the comparison's degrees of freedom, as the interval has them."""
    tolerated = 1 - math.copysign(sign * margin, sign * control.mean)
    se = math.hypot(tolerated * control.se, treatment.se)
    if not se:
        return math.nan
    t = sign * (treatment.mean - tolerated * control.mean) / se
    two_sided, _ = rule.p_value(t, df)
    return two_sided / 2 if t > 0 else 1 - two_sided / 2
