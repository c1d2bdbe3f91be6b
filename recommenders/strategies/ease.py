"""Item weights in closed form: each item as a linear combination of all the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import linalg, sparse

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies.item_knn import TAIL, matrix_of, recency_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class EaseConfig:
    """``regularisation``: λ, the more the less each item is trusted; ``decay``: weight of a moment of the history for
    each later one, 1 counts all alike; ``max_items``: that were taken at all, more are refused; ``kept``: of each
    item's weights, the largest ones, either sign.
    """

    regularisation: float = 200.0
    decay: float = 0.6
    max_items: int = 20_000
    kept: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.regularisation < np.inf:
            raise InvalidConfig("regularisation", f"{self.regularisation:g} must be above 0")
        if not 0 < self.decay <= 1:
            raise InvalidConfig("decay", f"{self.decay:g} must be above 0 and at most 1")
        for name in ("max_items", "kept"):
            if getattr(self, name) < 1:
                raise InvalidConfig(name, f"{getattr(self, name)} must be at least 1")


class Ease(Strategy[EaseConfig]):
    """s(u, j) = Σ_{i in history} decay^steps(i) · W_ij with W = argmin ‖X − XW‖² + λ‖W‖², diag W = 0.

    With P = (XᵀX + λI)⁻¹: W_ij = −P_ij / P_jj. Time grows with the cube of the items, memory with the square.

    Source: H. Steck (2019), Embarrassingly shallow autoencoders for sparse data, WWW, equation 8.
    """

    key, name, family = "ease", "Items that predict each other (EASE)", "collaborative"
    description = "Each item predicted from all others by one linear model; for catalogues of up to 20,000 items."
    Config = EaseConfig
    requires = frozenset({"history"})

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        taken = matrix_of(data)
        counts = np.asarray(taken.sum(axis=0)).ravel().astype(np.float32)
        self.known = np.flatnonzero(counts > 0).astype(np.int32)
        self.popularity, self.count = counts[self.known], counts.size
        needed = memory(self.known.size)
        if self.known.size > self.config.max_items or needed > budget.memory:
            raise Unfit(
                f"ease needs {needed / 1e9:.1f} GB for {self.known.size:,} items; "
                f"at most {self.config.max_items:,} items and {budget.memory / 1e9:.1f} GB are allowed"
            )
        progress(0.0, "inverting")
        self.weights = largest(_weights(taken[:, self.known], self.config.regularisation), self.config.kept)
        return report_of(data, started, bytes=needed, weights=self.weights.nnz)

    def score(self, batch: Batch) -> Floats:
        where = np.full(self.count, -1, dtype=np.int64)
        where[self.known] = np.arange(self.known.size)
        place, weight = where[batch.items], recency_weights(batch, self.config.decay)
        kept = place >= 0
        shape = (len(batch), self.known.size)
        history = sparse.csr_array((weight[kept], (batch.rows[kept], place[kept])), shape=shape)
        asked = np.arange(self.count) if batch.candidates is None else batch.candidates
        columns, known = where[asked], where[asked] >= 0
        chosen = columns[known]
        weights = self.weights if batch.candidates is None else self.weights[:, chosen]
        scores = np.full((len(batch), asked.size), -np.inf, dtype=np.float32)
        tail = self.popularity[chosen] / max(float(self.popularity.max(initial=0)), 1.0) * TAIL
        scores[:, known] = (history @ weights).toarray() + tail
        return scores

    def state(self) -> Arrays:
        return {
            "weights": self.weights.data,
            "columns": self.weights.indices,
            "rows": self.weights.indptr,
            "known": self.known,
            "popularity": self.popularity,
            "count": np.array(self.count),
        }

    @classmethod
    def restore(cls, config: EaseConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.known = arrays["known"].astype(np.int32)
        stored = (arrays["weights"].astype(np.float32), arrays["columns"], arrays["rows"])
        strategy.weights = sparse.csr_array(stored, shape=(strategy.known.size, strategy.known.size))
        strategy.popularity = arrays["popularity"].astype(np.float32)
        strategy.count = int(arrays["count"])
        return strategy


def memory(items: int) -> int:
    """Bytes that training needs: two square matrices of single precision.

    >>> memory(20_000)
    3200000000
    """
    return 2 * 4 * items**2


def largest(weights: Floats, kept: int) -> sparse.csr_array:
    """The ``kept`` weights of each row with the largest absolute values, none that is 0."""
    size = len(weights)
    if kept >= size:
        return sparse.csr_array(weights)
    found = np.empty((size, kept), dtype=np.int32)
    for row in range(size):  # one by one: beside the matrix there is no room for a second one
        found[row] = np.sort(np.argpartition(-np.abs(weights[row]), kept)[:kept])
    values = np.take_along_axis(weights, found, axis=1)
    matrix = sparse.csr_array((values.ravel(), found.ravel(), np.arange(size + 1) * kept), shape=weights.shape)
    matrix.eliminate_zeros()
    return matrix


def _weights(taken: sparse.csr_array, regularisation: float) -> Floats:
    """W by the Cholesky factor, overwriting one matrix; LAPACK wants columns, and the matrix is symmetric."""
    size = taken.shape[1]
    if not size:
        return np.zeros((0, 0), dtype=np.float32)
    gram = np.asfortranarray((taken.T @ taken).toarray(), dtype=np.float32)
    gram[np.diag_indices(size)] += np.float32(regularisation)
    factor, info = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not info:
        factor, info = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if info:
        raise Unfit(f"the matrix cannot be inverted, regularisation {regularisation:g} is too small for this data")
    inverse: Floats = np.tril(factor)
    inverse += np.tril(factor, -1).T
    weights: Floats = inverse / -np.diag(inverse)
    weights[np.diag_indices(size)] = 0
    return np.ascontiguousarray(weights)
