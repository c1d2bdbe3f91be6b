"""How far predicted ratings are from those given: one figure a user, of errors that count event by event."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recommenders.offline.intervals import ratio_influence

Values = npt.NDArray[np.float64]

RATING = ("rmse", "mae")


def rating_error(predicted: Values, given: Values, users: npt.NDArray[np.int64], count: int) -> Mapping[str, Values]:
    """RMSE = √(Σ e² / m) and MAE = Σ |e| / m over all m rated events, as values whose mean over users is the figure.

    Errors of one user go together, so the intervals are user-level: the ratio Σ_u Σ e² / Σ_u m_u is linearised, and the
    square root by the delta method, RMSE_u = RMSE + (MSE_u − MSE) / (2 RMSE).

    Args:
        predicted: ratings, shape (m,); what is not finite is no prediction and does not count.
        given: ratings, shape (m,).
        users: whose, 0 to ``count`` − 1, shape (m,).
        count: how many users there are.

    Returns:
        Metric → values of shape (count,), nan where nothing was predicted.

    >>> found = rating_error(np.array([3.0, 5.0]), np.array([4.0, 2.0]), np.array([0, 1]), 2)
    >>> round(float(found["rmse"].mean()), 4), float(found["mae"].mean())
    (2.2361, 2.0)
    """
    known = np.isfinite(predicted) & np.isfinite(given)
    error, whose = (predicted - given)[known], users[known]
    events = np.bincount(whose, minlength=count).astype(np.float64)
    square = ratio_influence(_sums(whose, error**2, count), events)
    absolute = ratio_influence(_sums(whose, np.abs(error), count), events)
    mse = square.mean() if count else np.nan
    root = np.sqrt(mse)
    return {"rmse": root + (square - mse) / (2 * root) if root > 0 else np.full(count, root), "mae": absolute}


def _sums(users: npt.NDArray[np.int64], weights: Values, count: int) -> Values:
    return np.bincount(users, weights=weights, minlength=count).astype(np.float64)
