"""What a user is interested in, told from the features of the items in the history; new items need nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, InvalidData, Unfit
from recommenders.strategies.content_features import (
    category_block,
    lengths_of,
    price_block,
    scaled,
    tag_block,
    word_block,
)
from recommenders.strategies.item_knn import TAIL, recency_weights
from recommenders.strategies.sequence_items import unit

BLOCKS = ("text", "category", "price", "tags", "embedding")
ROWS_AT_ONCE = 256  # profiles that are dense at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentConfig:
    """How much each kind of feature counts, and how a history does.

    ``text``, ``category``, ``price``, ``tags``, ``embedding``: weights, 0 leaves a kind out. ``decay``: weight of a
    moment of the history for each later one, 1 counts all alike. ``price_bands``: with as many items each.
    ``vocabulary``: words kept, and tags.
    """

    text: float = 1.0
    category: float = 0.5
    price: float = 0.25
    tags: float = 1.0
    embedding: float = 1.0
    decay: float = 0.8
    price_bands: int = 8
    vocabulary: int = 20_000

    def __post_init__(self) -> None:
        for name in BLOCKS:
            if not 0 <= getattr(self, name) < np.inf:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be at least 0")
        if not any(getattr(self, name) for name in BLOCKS):
            raise InvalidConfig("text", f"one of {', '.join(BLOCKS)} must be above 0")
        if not 0 < self.decay <= 1:
            raise InvalidConfig("decay", f"{self.decay:g} must be above 0 and at most 1")
        for name in ("price_bands", "vocabulary"):
            if getattr(self, name) < 1:
                raise InvalidConfig(name, f"{getattr(self, name)} must be at least 1")


class Content(Strategy[ContentConfig]):
    """s(u, j) = cos(p_u, x_j), p_u = Σ_{i in history} decay^steps(i) · x_i.

    x_i is the features' vectors side by side, each of length √weight, then made length 1; so the likeness of two
    items is the weighted mean of their likeness in each feature that both have. ``embeddings``: a vector of each
    item, for instance of a text encoder, shape (items, any).

    Source: P. Lops, M. de Gemmis, G. Semeraro (2011), Content-based recommender systems, Recommender Systems Handbook.
    """

    key, name, family = "content", "Your interests", "content"
    description = "Items whose tags, category, price and words are like those in the history; new items too."
    Config = ContentConfig
    requires = frozenset({"history"})

    def __init__(self, config: ContentConfig | None = None, *, embeddings: Floats | None = None) -> None:
        super().__init__(config)
        self.embeddings = embeddings

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        """Describe every item of the catalogue, also those that nobody took.

        Raises:
            Unfit: the items have no feature whose weight is above 0, or their vectors do not fit into the budget.
            InvalidData: the embeddings are not one finite vector for each item.
        """
        started = time.monotonic()
        blocks = self._blocks(data.catalogue)
        dense = self._dense(data.catalogue)
        if not blocks and dense is None:
            raise Unfit(
                "content needs texts, categories, prices or tags of the items, or embeddings, with a weight above 0;"
                f" the items have {', '.join(sorted(data.catalogue.features)) or 'no features'}"
            )
        progress(0.8, "features of the items")
        nothing = [sparse.csr_array((len(data.catalogue), 0), dtype=np.float32)]
        plain = sparse.csr_array(sparse.hstack(nothing + list(blocks.values()), format="csr"), dtype=np.float32)
        wide = np.zeros((len(data.catalogue), 0), dtype=np.float32) if dense is None else dense
        size = plain.nnz * 8 + wide.nbytes
        if size > budget.memory:
            raise Unfit(f"the features take {size:,} bytes, the budget is {budget.memory:,}; use a smaller vocabulary")
        lengths = np.hypot(lengths_of(plain), np.linalg.norm(wide, axis=1)).astype(np.float32)
        counts = np.bincount(data.items, minlength=len(data.catalogue))
        tail = tail_of(counts, lengths > 0)
        self._keep(scaled(plain, lengths), wide / above_zero(lengths)[:, None], tail)
        used = [*blocks, *(() if dense is None else ("embedding",))]
        return report_of(data, started, features=", ".join(used), columns=plain.shape[1] + wide.shape[1])

    def score(self, batch: Batch) -> Floats:
        weights = recency_weights(batch, self.config.decay)
        history = sparse.csr_array((weights, batch.items, batch.offsets), shape=(len(batch), self.tail.size))
        plain, wide, tail = self.plain, self.wide, self.tail
        if batch.candidates is not None:
            plain, wide, tail = plain[batch.candidates], wide[batch.candidates], tail[batch.candidates]
        scores = np.empty((len(batch), tail.size), dtype=np.float32)
        for begin in range(0, len(batch), ROWS_AT_ONCE):
            some = history[begin : begin + ROWS_AT_ONCE]
            words, vectors = some @ self.plain, some @ self.wide
            lengths = np.hypot(lengths_of(words), np.linalg.norm(vectors, axis=1))
            found = (plain @ words.T.toarray()).T + vectors @ wide.T
            scores[begin : begin + ROWS_AT_ONCE] = found / above_zero(lengths)[:, None]
        scores += tail
        return scores

    def state(self) -> Arrays:
        return {
            "values": self.plain.data,
            "columns": self.plain.indices.astype(np.int32),
            "starts": self.plain.indptr.astype(np.int64),
            "width": np.array(self.plain.shape[1]),
            "dense": self.wide,
            "tail": self.tail,
        }

    @classmethod
    def restore(cls, config: ContentConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        tail = arrays["tail"].astype(np.float32)
        plain = sparse.csr_array(
            (
                arrays["values"].astype(np.float32),
                arrays["columns"].astype(np.int32),
                arrays["starts"].astype(np.int64),
            ),
            shape=(tail.size, int(arrays["width"])),
        )
        strategy._keep(plain, arrays["dense"].astype(np.float32), tail)
        return strategy

    def _blocks(self, items: Items) -> dict[str, sparse.csr_array]:
        """The features that there are and count, with √weight in them."""
        config, found = self.config, {}
        if items.texts is not None and config.text:
            found["text"] = word_block(items.texts, config.vocabulary)
        if items.categories is not None and config.category:
            found["category"] = category_block(items.categories, len(items.category_names))
        if items.prices is not None and config.price:
            found["price"] = price_block(items.prices, config.price_bands)
        if items.tags is not None and config.tags:
            found["tags"] = tag_block(items.tags, config.vocabulary)
        return {name: block * np.float32(getattr(config, name) ** 0.5) for name, block in found.items()}

    def _dense(self, items: Items) -> Floats | None:
        if self.embeddings is None or not self.config.embedding:
            return None
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(items):
            raise InvalidData("embeddings", f"shape {self.embeddings.shape}, must be ({len(items)}, any)")
        if not np.isfinite(self.embeddings).all():
            raise InvalidData("embeddings", "must all be finite")
        return unit(self.embeddings) * np.float32(self.config.embedding**0.5)

    def _keep(self, plain: sparse.csr_array, wide: Floats, tail: Floats) -> None:
        self.plain, self.wide, self.tail = plain, wide, tail


def above_zero(lengths: Floats) -> Floats:
    """The lengths, 1 in place of 0, to divide by."""
    return np.where(lengths > 0, lengths, np.float32(1)).astype(np.float32)


def tail_of(counts: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> Floats:
    """Popularity far below any likeness, for ties and empty histories; -inf where nothing is known of an item.

    ``counts``: how often each item was taken. ``known``: whether it has a feature.
    """
    popular = counts / max(int(counts.max(initial=0)), 1) * TAIL
    return np.where(known | (counts > 0), popular, -np.inf).astype(np.float32)
