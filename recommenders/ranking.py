"""From scores to lists: what may be shown, and the best of it. The same for every strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommenders.contracts import UNKNOWN, Codes, Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """Lists of items, best first: ``items`` and ``scores`` of shape (B, k); -1 and -inf where a list is shorter.

    ``reasons`` say in one sentence why, for each place of each list ("" where nobody says); empty where none is given.
    """

    items: Codes
    scores: Floats
    reasons: tuple[tuple[str, ...], ...] = ()


def top_k(
    scores: Floats, k: int, *, excluded: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
) -> Ranked:
    """The k best of each row. Of equal scores the smaller code comes first, so that the same scores give the same list.

    Args:
        scores: shape (B, items); nan and -inf are never shown. Not changed.
        k: at least 1; more than there are items gives shorter lists.
        excluded: rows and items, shape (m,) each, that may not be shown.

    >>> ranked = top_k(np.array([[0.1, 0.9, 0.9, 0.2]], dtype=np.float32), 3)
    >>> ranked.items.tolist()
    [[1, 2, 3]]
    """
    usable = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32)
    if excluded is not None:
        usable[excluded] = -np.inf
    rows, width = usable.shape
    best = min(k, width)
    # of the negated scores: many times faster than the other way round where a row has many equal ones
    if best < width:
        threshold = -np.partition(-usable, best - 1, axis=1)[:, best - 1 : best]
        places = _first_places(usable, threshold, best)
    else:
        places = np.broadcast_to(np.arange(width), (rows, width))
    found = np.take_along_axis(usable, places, axis=1)
    order = np.lexsort((places, -found), axis=1)
    items = np.full((rows, k), UNKNOWN, dtype=np.int32)
    values = np.full((rows, k), -np.inf, dtype=np.float32)
    items[:, :best] = np.take_along_axis(places, order, axis=1)
    values[:, :best] = np.take_along_axis(found, order, axis=1)
    items[~np.isfinite(values)] = UNKNOWN
    return Ranked(items=items, scores=values)


def _first_places(scores: Floats, threshold: Floats, best: int) -> npt.NDArray[np.int64]:
    """The places of all above the threshold and, of those equal to it, of the first ones: ``best`` in each row."""
    above, equal = scores > threshold, scores == threshold
    room = best - above.sum(axis=1, keepdims=True)
    taken = above | (equal & (np.cumsum(equal, axis=1) <= room))
    return np.nonzero(taken)[1].reshape(len(scores), best)
