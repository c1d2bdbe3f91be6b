"""Item-side neighbourhood: what the users of an item also took, added up over a user's history."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit

# the others' favourites behind what the history speaks for: far below any similarity
TAIL = np.float32(1e-6)
# multiplications of one block of similarities: about 12 bytes each
BLOCK = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKnnConfig:
    """How alike two items are and how a history counts.

    ``neighbours``: kept of each item. ``shrinkage``: a similarity that rests on c users is multiplied by
    c / (c + shrinkage). ``tilt``: .5 is the cosine; above it popular candidates gain. ``decay``: weight of a moment of
    the history for each later one, 1 counts all alike. ``repeats``: an item also speaks for itself.
    """

    neighbours: int = 200
    shrinkage: float = 10.0
    tilt: float = 0.5
    decay: float = 0.6
    repeats: bool = False

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InvalidConfig("neighbours", f"{self.neighbours} must be at least 1")
        if not 0 <= self.shrinkage < np.inf:
            raise InvalidConfig("shrinkage", f"{self.shrinkage:g} must be at least 0")
        if not 0 <= self.tilt <= 1:
            raise InvalidConfig("tilt", f"{self.tilt:g} must be 0 to 1")
        if not 0 < self.decay <= 1:
            raise InvalidConfig("decay", f"{self.decay:g} must be above 0 and at most 1")


class ItemKnn(Strategy[ItemKnnConfig]):
    """s(u, j) = Σ_{i in history} decay^steps(i) · sim(i, j), over the neighbours j of i.

    sim(i, j) = c_ij / (n_i^tilt · n_j^(1 − tilt)) · c_ij / (c_ij + shrinkage), with n the users that took an item and
    c those that took both; steps(i) is how many distinct moments of the history are later, so a basket counts alike.

    Source: M. Deshpande, G. Karypis (2004), Item-based top-N recommendation algorithms, ACM TOIS 22; shrinkage:
    R. Bell, Y. Koren (2007), Scalable collaborative filtering with jointly derived neighborhood interpolation weights.
    """

    key, name, family = "item-knn", "Items like yours", "collaborative"
    description = "What users who took the same items also took; recent history counts more."
    Config = ItemKnnConfig
    requires = frozenset({"history"})

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        taken = matrix_of(data)
        self.counts = np.asarray(taken.sum(axis=0)).ravel().astype(np.float32)
        columns, values, lengths = [], [], []
        for begin, end in _blocks(taken):
            block_columns, block_values, block_lengths = self._neighbours_of(taken, begin, end)
            columns.append(block_columns)
            values.append(block_values)
            lengths.append(block_lengths)
            kept = sum(map(len, values)) * 8
            if kept > budget.memory or time.monotonic() - started > budget.seconds:
                raise Unfit(f"item-knn stopped after {end} of {taken.shape[1]} items: {_spent(started, kept, budget)}")
            progress(end / taken.shape[1], "similar items")
        self._keep(
            np.concatenate([np.zeros(0, dtype=np.float32), *values]),
            np.concatenate([np.zeros(0, dtype=np.int32), *columns]),
            np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate([np.zeros(0, int), *lengths]))]),
        )
        return report_of(data, started, similarities=int(self.similar.nnz))

    def score(self, batch: Batch) -> Floats:
        history = sparse.csr_array(
            (recency_weights(batch, self.config.decay), batch.items, batch.offsets),
            shape=(len(batch), self.counts.size),
        )
        similar, tail = self.similar, self.tail
        if batch.candidates is not None:
            similar, tail = similar[:, batch.candidates], tail[batch.candidates]
        scores: Floats = (history @ similar).toarray()
        scores += tail
        return scores

    def state(self) -> Arrays:
        return {
            "counts": self.counts,
            "values": self.similar.data,
            "columns": self.similar.indices.astype(np.int32),
            "starts": self.similar.indptr.astype(np.int64),
        }

    @classmethod
    def restore(cls, config: ItemKnnConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.counts = arrays["counts"].astype(np.float32)
        strategy._keep(
            arrays["values"].astype(np.float32), arrays["columns"].astype(np.int32), arrays["starts"].astype(np.int64)
        )
        return strategy

    def _neighbours_of(
        self, taken: sparse.csr_array, begin: int, end: int
    ) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.int64]]:
        """Columns, similarities and how many of each of these items, the items of a row in ascending order."""
        together = (taken[:, begin:end].T @ taken).tocsr()
        rows = np.repeat(np.arange(begin, end), np.diff(together.indptr))
        both, others = together.data, together.indices
        tilt = self.config.tilt
        alike = both / (self.counts[rows] ** tilt * self.counts[others] ** (1 - tilt))
        alike *= both / (both + np.float32(self.config.shrinkage))
        if not self.config.repeats:
            alike[rows == others] = 0
        kept = strongest(alike, together.indptr, self.config.neighbours) & (alike > 0)
        lengths = np.bincount(rows[kept] - begin, minlength=end - begin)
        order = np.lexsort((others[kept], rows[kept]))
        return others[kept][order].astype(np.int32), alike[kept][order].astype(np.float32), lengths

    def _keep(self, values: Floats, columns: npt.NDArray[np.int32], starts: npt.NDArray[np.int64]) -> None:
        size = self.counts.size
        self.similar = sparse.csr_array((values, columns, starts), shape=(size, size))
        unknown = np.where(self.counts > 0, np.float32(0), -np.inf)  # nobody took it: nothing is known of it
        self.tail = (self.counts / max(float(self.counts.max(initial=0)), 1.0) * TAIL + unknown).astype(np.float32)


def matrix_of(data: Interactions) -> sparse.csr_array:
    """Who took what: users × items, 1 where the user took the item, however often."""
    shape = (len(data.user_ids), len(data.catalogue))
    taken = sparse.csr_array((np.ones(len(data), dtype=np.float32), (data.users, data.items)), shape=shape)
    taken.data[:] = 1  # the constructor has added up what a user took several times
    return taken


def recency_weights(batch: Batch, decay: float) -> Floats:
    """decay^(distinct later moments of the same history) for each entry of the histories."""
    rows, times = batch.rows, batch.times
    if not rows.size:
        return np.zeros(0, dtype=np.float32)
    fresh = np.ones(rows.size, dtype=np.int64)
    fresh[1:] = (rows[1:] != rows[:-1]) | (times[1:] != times[:-1])
    moment = np.cumsum(fresh)
    last = moment[batch.offsets[rows + 1] - 1]
    return np.asarray(decay ** (last - moment), dtype=np.float32)


def strongest(
    values: Floats, starts: npt.NDArray[np.int64] | npt.NDArray[np.int32], most: int
) -> npt.NDArray[np.bool_]:
    """Marks the ``most`` largest of each row of a sparse matrix; rows that are not longer are kept whole."""
    kept = np.ones(values.size, dtype=bool)
    for row in np.flatnonzero(np.diff(starts) > most).tolist():
        begin, end = starts[row], starts[row + 1]
        kept[begin + np.argpartition(-values[begin:end], most)[most:]] = False
    return kept


def _blocks(taken: sparse.csr_array) -> Iterator[tuple[int, int]]:
    """Ranges of items whose similarities take at most BLOCK multiplications, or one item."""
    lengths = np.diff(taken.indptr)
    work = np.cumsum(taken.T @ lengths.astype(np.float64))
    begin, size = 0, work.size
    while begin < size:
        done = work[begin - 1] if begin else 0.0
        end = max(int(np.searchsorted(work, done + BLOCK, side="right")), begin + 1)
        yield begin, end
        begin = end


def _spent(started: float, kept: int, budget: Budget) -> str:
    return (
        f"{time.monotonic() - started:.0f} s of {budget.seconds:.0f} s and {kept:,} bytes of {budget.memory:,} are used"
    )
