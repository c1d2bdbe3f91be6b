"""The interval of a relative lift."""

from __future__ import annotations

import math


def relative_interval(
    *,
    control_mean: float,
    treatment_mean: float,
    control_se: float,
    treatment_se: float,
    critical: float,
    significant: bool,
) -> tuple[float, float]:
    """Fieller's interval of r = (m_T − m_C) / m_C, independent arms.

    The set of all r for which the difference d − r m_C is not significant:
    (d − r m_C)² ≤ c² (a_T + (1 + r)² a_C), with a = SE². At r = 0 this is the absolute comparison, so the set holds 0
    exactly when the absolute interval does. Written as A r² − 2 B r + C ≤ 0:
    A = m_C² − c² a_C, B = d m_C + c² a_C, C = d² − c² (a_T + a_C).

    A > 0: the control mean differs from 0, and the set is the interval between the roots.
    A ≤ 0: it does not, and the set is unbounded:

    * not significant: the whole line. The set may leave out a stretch that holds neither 0 nor the estimate; naming it
      would suggest knowledge that is not there.
    * significant: the set is everything outside the roots, which lie on either side of 0. Returned is the half-line
      that holds the estimate. The other one matters only if the control's true mean has the other sign or the effect
      is significant in the wrong direction, which happens at most alpha / 2 of the time.

    Args:
        control_mean, treatment_mean: in the metric's unit, control ≠ 0.
        control_se, treatment_se: standard errors of the means, not both 0.
        critical: critical value of the absolute comparison.
        significant: whether the absolute interval excludes 0.

    Returns:
        low and high as fractions of the control mean; ±inf where unbounded.

    Source: E. C. Fieller (1954), Some problems in interval estimation, JRSS B 16, 175-185.

    >>> low, high = relative_interval(
    ...     control_mean=10.0, treatment_mean=11.0, control_se=0.3, treatment_se=0.3, critical=1.96, significant=True
    ... )
    >>> round(low, 4), round(high, 4)
    (0.0162, 0.1915)
    """
    scale = max(abs(control_mean), abs(treatment_mean), critical * control_se, critical * treatment_se)
    m_c, m_t = control_mean / scale, treatment_mean / scale
    noise_c, noise_t = (critical * control_se / scale) ** 2, (critical * treatment_se / scale) ** 2
    d = m_t - m_c
    a = m_c * m_c - noise_c
    b = d * m_c + noise_c
    c = d * d - noise_c - noise_t
    if a <= 0 and not significant:
        return -math.inf, math.inf
    # b² − a c without its cancellation
    root = math.sqrt(max(noise_c * m_t * m_t + noise_t * a, 0.0))
    q = b + math.copysign(root, b)
    roots = [c / q if q else 0.0, *([q / a] if a else [])]
    if a > 0:
        return min(roots), max(roots)
    return (max(roots), math.inf) if d * m_c > 0 else (-math.inf, min(roots))
