"""How well a list of items finds those that the user took later: one figure a user."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]

ACCURACY = ("ndcg", "recall", "precision", "mrr", "map", "hit_rate")


def accuracy(hits: Hits, relevant: npt.NDArray[np.int64]) -> Mapping[str, Values]:
    """The metrics of every user's list, with h_r = 1 where the item in place r is one of the R relevant ones.

    ndcg = Σ h_r / log2(r + 1) / Σ_{r ≤ min(R, k)} 1 / log2(r + 1); recall = Σ h_r / R; precision = Σ h_r / k;
    mrr = 1 / first r with h_r = 1; map = Σ h_r · (hits up to r / r) / R; hit_rate = 1 if there is any hit.

    Recall and map divide by R even where R > k, and precision by k even where the list is shorter, as trec_eval does.

    Args:
        hits: shape (users, k), best place first; False where the list has ended.
        relevant: R of each user, shape (users,), at least 1.

    Returns:
        Metric → values of shape (users,).

    Source: K. Järvelin, J. Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques, ACM TOIS 20;
    C. Buckley, E. Voorhees (2005), Retrieval system evaluation, in TREC.

    >>> found = accuracy(np.array([[False, True, True]]), np.array([2]))
    >>> [round(float(found[name][0]), 4) for name in ACCURACY]
    [0.6934, 1.0, 0.6667, 0.5, 0.5833, 1.0]
    """
    k = hits.shape[1]
    place = np.arange(1, k + 1)
    discount = 1 / np.log2(place + 1)
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    found = hits.sum(axis=1)
    any_hit = found > 0
    first = np.where(any_hit, hits.argmax(axis=1) + 1, 1)
    precise = (hits * (np.cumsum(hits, axis=1) / place)).sum(axis=1)
    return {
        "ndcg": (hits * discount).sum(axis=1) / ideal,
        "recall": found / relevant,
        "precision": found / k,
        "mrr": any_hit / first,
        "map": precise / relevant,
        "hit_rate": any_hit.astype(np.float64),
    }
