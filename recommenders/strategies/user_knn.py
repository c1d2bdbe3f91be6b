"""User-side neighbourhood: what users with a similar history took, or how they rated it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig
from recommenders.strategies.item_knn import TAIL, matrix_of, recency_weights, strongest

# a history of a thousand moments still overlaps
LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class UserKnnConfig:
    """How alike two users are and how their ratings count.

    ``neighbours``: of each user. ``shrinkage``: a similarity that rests on c common items is multiplied by
    c / (c + shrinkage). ``decay``: weight of a moment of the history for each later one, where nothing is rated.
    ``bias_shrinkage``: ratings at the global mean that every user and item is given beforehand; ``trust``: similarity
    at the baseline that every prediction is given beforehand.
    """

    neighbours: int = 100
    shrinkage: float = 5.0
    decay: float = 0.6
    bias_shrinkage: float = 5.0
    trust: float = 1.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InvalidConfig("neighbours", f"{self.neighbours} must be at least 1")
        if not 0 < self.decay <= 1:
            raise InvalidConfig("decay", f"{self.decay:g} must be above 0 and at most 1")
        if not 0 <= self.shrinkage < np.inf:
            raise InvalidConfig("shrinkage", f"{self.shrinkage:g} must be at least 0")
        for name in ("bias_shrinkage", "trust"):
            if not 0 < getattr(self, name) < np.inf:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be above 0")


class UserKnn(Strategy[UserKnnConfig]):
    """Implicit: s(u, j) = Σ_{v ∈ N(u)} sim(u, v) x_vj. Rated: b_uj + Σ sim(u, v)(r_vj − b_vj) / (trust + Σ sim(u, v)).

    sim is the cosine, of histories weighted by recency or of ratings less their baseline, times c / (c + shrinkage);
    N(u) the neighbours with the largest above 0, without u. b_uj = μ + b_j + b_u, with b_j = Σ (r − μ) / (n_j +
    bias_shrinkage) and b_u = Σ (r − μ − b_j) / (n_u + bias_shrinkage). Predictions are not cut to the scale.

    Source: J. Herlocker, J. Konstan, A. Borchers, J. Riedl (1999), An algorithmic framework for performing
    collaborative filtering, SIGIR; baselines: Y. Koren (2010), Factor in the neighbors, ACM TKDD 4.
    """

    key, name, family = "user-knn", "Users like you", "collaborative"
    description = "What users with a similar history took, or how they rated it."
    Config = UserKnnConfig
    requires = frozenset({"history"})
    predicts_ratings = True

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        self.rated, self.mean = data.rated, 0.0
        taken = matrix_of(data)
        self.counts = np.asarray(taken.sum(axis=0)).ravel().astype(np.float32)
        self.bias = np.zeros(self.counts.size, dtype=np.float32)
        if data.rated and len(data):
            taken = _mean_ratings(data.users, data.items, data.values, taken.shape)
            self.mean = float(taken.data.mean())
            total = np.bincount(taken.indices, weights=taken.data - self.mean, minlength=self.counts.size)
            self.bias = (total / (self.counts + self.config.bias_shrinkage)).astype(np.float32)
            taken.data = self._residuals(taken)[0]
        self._keep(taken)
        return report_of(data, started)

    def score(self, batch: Batch) -> Floats:
        chosen = slice(None) if batch.candidates is None else batch.candidates
        shape = (len(batch), self.counts.size)
        if not self.rated:
            weights = np.maximum(recency_weights(batch, self.config.decay), LEAST).astype(np.float32)
            history = sparse.csr_array((weights, (batch.rows, batch.items)), shape=shape)
            scores: Floats = (self._similar(history, batch) @ self.values[:, chosen]).toarray()
        else:
            history = _mean_ratings(batch.rows, batch.items, batch.values, shape)
            history.data, user_bias = self._residuals(history)
            alike = self._similar(history, batch)
            scores = (alike @ self.values[:, chosen]).toarray()
            scores /= (alike @ self.taken[:, chosen]).toarray() + np.float32(self.config.trust)
            scores += (np.float32(self.mean) + self.bias[chosen]) + user_bias[:, None]
        scores += self.tail[chosen]
        return scores.astype(np.float32, copy=False)

    def state(self) -> Arrays:
        return {
            "values": self.values.data,
            "columns": self.values.indices.astype(np.int32),
            "starts": self.values.indptr.astype(np.int64),
            "counts": self.counts,
            "bias": self.bias,
            "mean": np.array(self.mean),
            "rated": np.array(self.rated),
        }

    @classmethod
    def restore(cls, config: UserKnnConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.counts, strategy.bias = arrays["counts"].astype(np.float32), arrays["bias"].astype(np.float32)
        strategy.mean, strategy.rated = float(arrays["mean"]), bool(arrays["rated"])
        parts = (arrays["values"], arrays["columns"], arrays["starts"])
        strategy._keep(sparse.csr_array(parts, shape=(arrays["starts"].size - 1, strategy.counts.size)))
        return strategy

    def _similar(self, history: sparse.csr_array, batch: Batch) -> sparse.csr_array:
        """Rows of the batch × users of the training: the similarities of the neighbours, 0 elsewhere."""
        alike = (history.multiply(1 / _norms(history)[:, None]).tocsr().astype(np.float32) @ self.columns).tocsr()
        common = (_ones(history) @ self.takers).tocsr()
        alike.sort_indices()
        common.sort_indices()
        rows = np.repeat(np.arange(len(batch)), np.diff(alike.indptr))
        values = alike.data * common.data / (common.data + np.float32(self.config.shrinkage))
        values[alike.indices == batch.users[rows]] = 0
        kept = strongest(values, alike.indptr, self.config.neighbours) & (values > 0)
        return sparse.csr_array((values[kept], (rows[kept], alike.indices[kept])), shape=alike.shape)

    def _residuals(self, ratings: sparse.csr_array) -> tuple[Floats, Floats]:
        """Ratings less their baseline, and the biases of the rows."""
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        rest = ratings.data - self.mean - self.bias[ratings.indices]
        total = np.bincount(rows, weights=rest, minlength=ratings.shape[0])
        bias = total / (np.diff(ratings.indptr) + self.config.bias_shrinkage)
        return (rest - bias[rows]).astype(np.float32), bias.astype(np.float32)

    def _keep(self, values: sparse.csr_array) -> None:
        self.values, self.taken = values, _ones(values)
        self.columns = values.multiply(1 / _norms(values)[:, None]).tocsr().astype(np.float32).T.tocsr()
        self.takers = self.taken.T.tocsr()
        unknown = np.where(self.counts > 0, np.float32(0), -np.inf)
        self.tail = (self.counts / max(float(self.counts.max(initial=0)), 1.0) * TAIL + unknown).astype(np.float32)


def _mean_ratings(
    rows: npt.NDArray[np.generic], items: npt.NDArray[np.generic], values: Floats, shape: tuple[int, int]
) -> sparse.csr_array:
    """One rating for each pair: the mean of several."""
    total = sparse.csr_array((values.astype(np.float64), (rows, items)), shape=shape)
    count = sparse.csr_array((np.ones(values.size), (rows, items)), shape=shape)
    total.data /= count.data
    return total


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(
        (np.ones(matrix.data.size, dtype=np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def _norms(matrix: sparse.csr_array) -> npt.NDArray[np.float64]:
    """The length of each row, 1 where it is 0."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    squares = np.bincount(rows, weights=matrix.data.astype(np.float64) ** 2, minlength=matrix.shape[0])
    return np.where(squares > 0, np.sqrt(squares), 1.0)
