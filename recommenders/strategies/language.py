"""What a language model makes of the items' texts, taught by what people took one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommenders import text_encoder
from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies.content import above_zero, tail_of
from recommenders.strategies.item_knn import recency_weights
from recommenders.strategies.language_tuning import Tuned, Tuning, consecutive, tune
from recommenders.strategies.sequence_items import unit

READING = 0.8  # of the progress, and at most of the time


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig:
    """How the projection is trained and how a history counts.

    ``steps`` of training, 0 leaves the encoder as it is; ``batch``: pairs at once, each other's negatives; ``rate`` of
    learning; ``temperature`` of the contrast; ``strength`` of the pull back to the encoder. ``decay``:
    weight of a moment of the history for each later one, 1 counts all alike.
    """

    steps: int = 100
    batch: int = 256
    rate: float = 0.0005
    temperature: float = 0.1
    strength: float = 10.0
    decay: float = 0.8

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("batch", 2), ("strength", 0)):
            if not least <= getattr(self, name) < np.inf:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be at least {least}")
        for name in ("rate", "temperature"):
            if not 0 < getattr(self, name) < np.inf:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be above 0")
        if not 0 < self.decay <= 1:
            raise InvalidConfig("decay", f"{self.decay:g} must be above 0 and at most 1")


class Language(Strategy[LanguageConfig]):
    """s(u, j) = cos(p_u, v_j), p_u = Σ_{i in history} decay^steps(i) · v_i, v_i = unit((e_i − ē) W).

    e_i is the encoder's vector of the item's text, ē the mean of all items', W learnt from consecutive events.
    """

    key, name, family = "language", "What texts mean", "language"
    description = "A language model reads the items' texts and learns from what was taken together; new items too."
    Config = LanguageConfig
    requires = frozenset({"history", "item_text"})

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        """Read every text of the catalogue, then learn the projection.

        Raises:
            MissingExtra: the text encoder is not installed.
            Unfit: there are no texts, or they cannot be read within the budget.
        """
        started = time.monotonic()
        vectors = self._read(data.catalogue, budget, progress)
        known = np.asarray(vectors.any(axis=1), dtype=bool)
        if not known.any():
            raise Unfit("language needs texts of the items (item_text); they have none")
        left = replace(budget, seconds=budget.seconds - (time.monotonic() - started))
        tuned = self._tune(vectors, consecutive(data, known), seed, left, progress)
        tail = tail_of(np.bincount(data.items, minlength=len(data.catalogue)), known)
        self._keep(unit(vectors @ tuned.projection), tail)
        return report_of(data, started, **_notes(tuned, int(known.sum())))

    def score(self, batch: Batch) -> Floats:
        history = sparse.csr_array(
            (recency_weights(batch, self.config.decay), batch.items, batch.offsets),
            shape=(len(batch), self.tail.size),
        )
        vectors, tail = self.vectors, self.tail
        if batch.candidates is not None:
            vectors, tail = vectors[batch.candidates], tail[batch.candidates]
        profiles = history @ self.vectors
        scores: Floats = (profiles / above_zero(np.linalg.norm(profiles, axis=1))[:, None]) @ vectors.T
        scores += tail
        return scores

    def state(self) -> Arrays:
        return {"vectors": self.vectors, "tail": self.tail}

    @classmethod
    def restore(cls, config: LanguageConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy._keep(arrays["vectors"].astype(np.float32), arrays["tail"].astype(np.float32))
        return strategy

    def _read(self, items: Items, budget: Budget, progress: Progress) -> Floats:
        """The encoder's vectors less their mean, length 1; zeros for items without a text."""
        if items.texts is None:
            raise Unfit("language needs texts of the items (item_text); they have none")
        size = 4 * len(items) * text_encoder.WIDTH * 4
        if size > budget.memory:
            raise Unfit(f"the vectors of {len(items):,} items take {size:,} bytes, the budget is {budget.memory:,}")
        some = replace(budget, seconds=budget.seconds * READING)
        read = text_encoder.encode(items.texts, budget=some, progress=lambda s, what: progress(s * READING, what))
        return centred(read)

    def _tune(
        self, vectors: Floats, pairs: npt.NDArray[np.int32], seed: int, budget: Budget, progress: Progress
    ) -> Tuned:
        config = self.config
        tuning = Tuning(
            steps=config.steps,
            batch=config.batch,
            rate=config.rate,
            temperature=config.temperature,
            strength=config.strength,
        )
        rest = 1 - READING
        return tune(
            vectors,
            pairs,
            tuning,
            rng=np.random.default_rng(seed),
            budget=budget,
            progress=lambda share, what: progress(READING + rest * share, what),
        )

    def _keep(self, vectors: Floats, tail: Floats) -> None:
        self.vectors, self.tail = vectors, tail


def centred(vectors: Floats) -> Floats:
    """Less the mean of those that are not zero, since an encoder's vectors all lie in one corner; then length 1."""
    known = np.asarray(vectors.any(axis=1), dtype=bool)
    if known.sum() < 2:  # the mean of one is itself
        return unit(vectors)
    moved = vectors - vectors[known].mean(axis=0, dtype=np.float64)
    return unit(np.where(known[:, None], moved, 0))


def _notes(tuned: Tuned, read: int) -> dict[str, str | int | float]:
    notes: dict[str, str | int | float] = {
        "texts": read,
        "pairs": tuned.pairs,
        "steps": tuned.steps,
        "encoder": f"{text_encoder.PACKAGE} {text_encoder.MODEL}, SHA-256 {text_encoder.SHA256}",
    }
    before, after = tuned.order
    if np.isfinite(before):
        notes |= {"order of new items as read": round(before, 4), "order of new items": round(after, 4)}
    return notes
