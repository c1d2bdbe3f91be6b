"""Values and how many units have each: what statistics of a whole distribution read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Distinct values in ascending order, shape (k,), and the number of units with each, shape (k,), above 0.

    Build it with :meth:`from_values`, :meth:`from_pairs` or :meth:`from_columns`, which sort.

    >>> counts = Counts.from_values([3.0, 1.0, 3.0])
    >>> counts.values.tolist(), counts.counts.tolist(), counts.n
    ([1.0, 3.0], [1, 2], 3)
    """

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def from_values(cls, values: npt.ArrayLike) -> Counts:
        """One entry per unit."""
        distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
        return cls(values=distinct, counts=counts.astype(np.int64))

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[float, int]]) -> Counts:
        """(value, count) in any order, as a database returns them; equal values are added up."""
        rows = np.array(list(pairs), dtype=np.float64).reshape(-1, 2)
        return cls.from_columns(rows[:, 0], rows[:, 1])

    @classmethod
    def from_columns(cls, values: npt.ArrayLike, counts: npt.ArrayLike) -> Counts:
        """Values and their counts, shape (k,) each, in any order; equal values are added up, counts of 0 dropped.

        >>> Counts.from_columns([5.0, 3.0, 5.0], [2, 1, 4]).counts.tolist()
        [1, 6]
        """
        values, counts = np.asarray(values, dtype=np.float64), np.asarray(counts, dtype=np.float64)
        if values.ndim != 1 or values.shape != counts.shape:
            raise InvalidInput("counts", f"{counts.size} for {values.size} values, must be one each")
        if not ((counts >= 0) & (counts == np.floor(counts))).all():
            raise InvalidInput("counts", "must all be whole numbers of at least 0")
        distinct, places = np.unique(values, return_inverse=True)
        summed = np.bincount(places, weights=counts, minlength=distinct.size).astype(np.int64)
        return cls(values=distinct[summed > 0], counts=summed[summed > 0])

    @property
    def n(self) -> int:
        """The number of units."""
        return int(self.counts.sum())


def merge_counts(parts: Iterable[Counts]) -> Counts:
    """All parts together.

    >>> merge_counts([Counts.from_values([1.0, 2.0]), Counts.from_values([2.0])]).counts.tolist()
    [1, 2]
    """
    parts = list(parts)
    empty = np.zeros(0)
    return Counts.from_columns(
        np.concatenate([empty, *(part.values for part in parts)]),
        np.concatenate([empty, *(part.counts for part in parts)]),
    )


def nonzero_quantile(counts: Counts, q: float) -> float | None:
    """The value that a share ``q`` of the units that are not 0 does not exceed, one of theirs; None where all are 0.

    >>> nonzero_quantile(Counts.from_values([0.0, 0.0, 1.0, 2.0, 3.0, 90.0]), 0.75)
    3.0
    """
    if not 0 < q <= 1:
        raise InvalidInput("q", f"{q:g} must be above 0 and at most 1")
    paid = counts.values != 0
    upto = counts.counts[paid].cumsum()
    if not upto.size:
        return None
    return float(counts.values[paid][min(int((upto < q * upto[-1]).sum()), upto.size - 1)])
