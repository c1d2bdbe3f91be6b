"""Ratio metrics (CTR, average order value): a ratio of sums whose units differ in how much they weigh."""

from __future__ import annotations

from experiments.stats.moments import Moments

# Below this share of its terms the linearised variance is rounding: every unit has the same ratio.
ROUNDING = 1e-14


def linearised_variance(moments: Moments) -> float:
    """The per-unit variance of a ratio of sums R = ȳ / v̄ by the delta method.

    L_i = (y_i − R v_i) / v̄, so var(L) = (C_yy − 2 R C_yv + R² C_vv) / (v̄² (n − 1)), and the variance of R is
    var(L) / n. The unit is the unit of randomisation, not the impression: clicks of one user are not independent.

    Args:
        moments: columns (y, v, …) of at least two units, v̄ ≠ 0.

    Returns:
        var(L), in the square of the ratio's unit, ≥ 0 (nan when the moments are not finite).

    Source: A. Deng, U. Knoblich, J. Lu (2018), Applying the delta method in metric analytics, KDD.

    >>> linearised_variance(Moments.from_arrays([1.0, 0.0, 2.0], [2.0, 2.0, 2.0]))
    0.25
    """
    mean_y, mean_v = moments.mean[:2]
    (yy, yv, *_), (_, vv, *_) = moments.comoment[:2]
    ratio = mean_y / mean_v
    total = yy - 2 * ratio * yv + ratio * ratio * vv
    if total <= ROUNDING * (yy + ratio * ratio * vv):
        return 0.0
    return total / (mean_v * mean_v) / (moments.n - 1)
