"""From scores to lists: what may be shown, and the best of it. The same for every strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommenders.contracts import UNKNOWN, Codes, Floats

Places = npt.NDArray[np.int64]

STRIDE, STRETCH = 24, 64  # items that are first represented by the best of them: far apart, and neighbours


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """Lists of items, best first: ``items`` and ``scores`` of shape (B, k); -1 and -inf where a list is shorter.

    ``reasons`` say in one sentence why, for each place of each list ("" where nobody says); empty where none is given.
    """

    items: Codes
    scores: Floats
    reasons: tuple[tuple[str, ...], ...] = ()


def top_k(scores: Floats, k: int, *, excluded: tuple[Places, Places] | None = None) -> Ranked:
    """The k best of each row. Of equal scores the smaller code comes first, so that the same scores give the same list.

    Args:
        scores: shape (B, items); nan and -inf are never shown. Not changed.
        k: at least 1; more than there are items gives shorter lists.
        excluded: rows and items, shape (m,) each, that may not be shown.

    >>> ranked = top_k(np.array([[0.1, 0.9, 0.9, 0.2]], dtype=np.float32), 3)
    >>> ranked.items.tolist()
    [[1, 2, 3]]
    """
    usable = np.asarray(scores, dtype=np.float32)
    if excluded is not None:
        usable = usable.copy() if usable is scores else usable
        usable[excluded] = -np.inf
    rows, width = usable.shape
    if width > 4 * k * STRETCH:
        places, found = _best_of_strides(usable, k)
    else:
        places, found = _best(_numbers(usable), min(k, width))
    items = np.full((rows, k), UNKNOWN, dtype=np.int32)
    values = np.full((rows, k), -np.inf, dtype=np.float32)
    items[:, : places.shape[1]], values[:, : places.shape[1]] = places, found
    items[~np.isfinite(values)] = UNKNOWN
    return Ranked(items=items, scores=values)


def _numbers(scores: Floats) -> Floats:
    """The same scores, -inf for nan; a copy only where there is one."""
    missing = np.isnan(scores)
    return np.where(missing, np.float32(-np.inf), scores) if missing.any() else scores


def _best_of_strides(scores: Floats, k: int) -> tuple[Places, Floats]:
    """What :func:`_best` finds, faster: items as lines of a table, the k best are in the k columns of the best peaks.

    Where peaks tie for the last place, which columns to take depends on where in them the peaks are: those rows are
    done by stretches of neighbours.
    """
    rows, width = scores.shape
    count = -(-width // STRIDE)
    lines, rest = width // count, width % count
    peaks = scores[:, : width - rest].reshape(rows, lines, count).max(axis=1)
    np.maximum(peaks[:, :rest], scores[:, width - rest :], out=peaks[:, :rest])
    if np.isnan(peaks).any():  # the peak of a column with a nan is nan
        return _best_of_strides(_numbers(scores), k)
    chosen = peaks >= -np.partition(-peaks, k - 1, axis=1)[:, k - 1 : k]
    tied = np.flatnonzero(np.count_nonzero(chosen, axis=1) > k)
    chosen[tied] = np.arange(count) < k
    first = np.nonzero(chosen)[1].reshape(rows, 1, k)
    places, found = _best_among(scores, np.arange(lines + 1)[:, None] * count + first, k)
    if tied.size:
        places[tied], found[tied] = _best_of_stretches(scores[tied], k)
    return places, found


def _best_of_stretches(scores: Floats, k: int) -> tuple[Places, Floats]:
    """What :func:`_best` finds, in fewer passes: the k best are in the k stretches of the best peaks."""
    rows, width = scores.shape
    count = width // STRETCH
    whole = count * STRETCH
    peaks = scores[:, :whole].reshape(rows, count, STRETCH).max(axis=2)
    peaks = np.concatenate([peaks, scores[:, whole:].max(axis=1, initial=-np.inf, keepdims=True)], axis=1)
    chosen = np.sort(_best(peaks, k)[0], axis=1)
    return _best_among(scores, chosen[:, :, None] * STRETCH + np.arange(STRETCH), k)


def _best_among(scores: Floats, places: Places, k: int) -> tuple[Places, Floats]:
    """The best of these places of each row, shape (B, …), ascending so that ties keep their order."""
    rows, width = scores.shape
    columns = places.reshape(rows, places.shape[1] * places.shape[2])
    beyond = columns >= width
    some = np.take_along_axis(scores, np.where(beyond, 0, columns), axis=1)
    some[beyond] = -np.inf
    best, found = _best(some, k)
    return np.take_along_axis(columns, best, axis=1), found


def _best(scores: Floats, best: int) -> tuple[Places, Floats]:
    """The places of the best of each row and their scores, shape (B, best), best first; there is no nan."""
    rows, width = scores.shape
    # of the negated scores: many times faster than the other way round where a row has many equal ones
    if best < width:
        threshold = -np.partition(-scores, best - 1, axis=1)[:, best - 1 : best]
        places = _first_places(scores, threshold, best)
    else:
        places = np.broadcast_to(np.arange(width), (rows, width))
    found = np.take_along_axis(scores, places, axis=1)
    order = np.lexsort((places, -found), axis=1)
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(found, order, axis=1)


def _first_places(scores: Floats, threshold: Floats, best: int) -> Places:
    """The places of all above the threshold and, of those equal to it, of the first ones: ``best`` in each row."""
    above, equal = scores > threshold, scores == threshold
    room = best - above.sum(axis=1, keepdims=True)
    taken = above | (equal & (np.cumsum(equal, axis=1) <= room))
    return np.nonzero(taken)[1].reshape(len(scores), best)
