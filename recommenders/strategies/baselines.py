"""The controls that every other strategy must beat: chance, what sells now, what this user took before."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

import numpy as np

from recommenders.base import Arrays, NoConfig, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig

DAY = 86_400


class Random(Strategy[NoConfig]):
    """Every item has the same chance; the same user and moment give the same order."""

    key, name, family = "random", "Random", "baseline"
    description = "Every item has the same chance. What any strategy must beat."
    Config = NoConfig

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        self.seed, self.count = seed, len(data.catalogue)
        return report_of(data, started)

    def score(self, batch: Batch) -> Floats:
        rows = []
        for user, now in zip(batch.users.tolist(), batch.now.tolist(), strict=True):
            rng = np.random.default_rng((self.seed, user + 1, now & 0xFFFFFFFF))
            rows.append(rng.random(self.count, dtype=np.float32))
        scores = np.stack(rows) if rows else np.zeros((0, self.count), dtype=np.float32)
        return scores if batch.candidates is None else scores[:, batch.candidates]

    def state(self) -> Arrays:
        return {"seed": np.array(self.seed), "count": np.array(self.count)}

    @classmethod
    def restore(cls, config: NoConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.seed, strategy.count = int(arrays["seed"]), int(arrays["count"])
        return strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularityConfig:
    """``half_life_days``: after so many days an event counts half; None counts all alike."""

    half_life_days: float | None = 14.0

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise InvalidConfig("half_life_days", f"{self.half_life_days:g} must be above 0, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyConfig(PopularityConfig):
    """The same. One user's habits change more slowly than what sells."""

    half_life_days: float | None = 60.0


class RecentPopularity(Strategy[PopularityConfig]):
    """What most users took, lately: Σ ½^(age / half-life) over the users that took it."""

    key, name, family = "recent-popularity", "Recent popularity", "baseline"
    description = "What most users took lately, the same for everybody."
    Config = PopularityConfig

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        weights = np.ones(len(data))
        if self.config.half_life_days is not None and len(data):
            weights = 0.5 ** ((data.times.max() - data.times) / (self.config.half_life_days * DAY))
        self.popularity = np.bincount(data.items, weights=weights, minlength=len(data.catalogue)).astype(np.float32)
        return report_of(data, started)

    def score(self, batch: Batch) -> Floats:
        row = self.popularity if batch.candidates is None else self.popularity[batch.candidates]
        return np.tile(row, (len(batch), 1))

    def state(self) -> Arrays:
        return {"popularity": self.popularity}

    @classmethod
    def restore(cls, config: PopularityConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.popularity = arrays["popularity"].astype(np.float32)
        return strategy


class UserFrequency(Strategy[FrequencyConfig]):
    """What this user took most often, lately; the others' favourites behind it, scaled below 1."""

    key, name, family = "user-frequency", "The user's own favourites", "baseline"
    description = "What this user took most often, lately; then what most users took."
    Config = FrequencyConfig
    requires = frozenset({"history"})

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        others = RecentPopularity(self.config)
        others.fit(data, seed=seed, budget=budget, progress=progress)
        top = others.popularity.max(initial=0.0)
        # far below any frequency that a history of years can decay to
        self.popularity = (others.popularity / (top or 1.0) * np.float32(1e-6)).astype(np.float32)
        return report_of(data, started)

    def score(self, batch: Batch) -> Floats:
        scores = np.tile(self.popularity, (len(batch), 1))
        weights = np.ones(batch.items.size)
        if self.config.half_life_days is not None:
            age = np.maximum(batch.now[batch.rows] - batch.times, 0) / DAY
            weights = np.maximum(0.5 ** (age / self.config.half_life_days), 1e-5)
        np.add.at(scores, (batch.rows, batch.items), weights.astype(np.float32))
        return scores if batch.candidates is None else scores[:, batch.candidates]

    def state(self) -> Arrays:
        return {"popularity": self.popularity}

    @classmethod
    def restore(cls, config: FrequencyConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.popularity = arrays["popularity"].astype(np.float32)
        return strategy
