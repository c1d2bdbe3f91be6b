"""A blend of other strategies, their weights fitted on events that they were not trained on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import product
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recommenders.base import Arrays, Strategy, config_from, report_of
from recommenders.checkpoints import Checkpoint
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit
from recommenders.registry import strategy_class

BLOCK = 512  # users that are scored at once
DEPTH = 10  # of the lists by which weights are chosen
TRIAL = 1 / 3  # of the budget, for the trainings that only tell the weights
BOTH = ("sequence", "item-knn")
WITHOUT_TORCH = ("item-knn", "recent-popularity")


def default_parts() -> tuple[str, ...]:
    """What is blended where nothing is said: the order of events and neighbours, or what PyTorch is not needed for."""
    return BOTH if find_spec("torch") else WITHOUT_TORCH


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridConfig:
    """``parts`` are keys of strategies, ``settings`` their configurations by key, those not named are the defaults.

    Without ``parts`` they are sequence and item-knn, or item-knn and recent-popularity where PyTorch is not installed.
    ``steps`` is how finely weights are searched (10: tenths), ``validation_users`` how many users decide at most;
    ``new_only`` says whether items of a user's history count as found.
    """

    parts: tuple[str, ...] = field(default_factory=default_parts)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    steps: int = 10
    validation_users: int = 4_000
    new_only: bool = True

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len(set(self.parts)) != len(self.parts):
            raise InvalidConfig("parts", f"{', '.join(self.parts) or 'none'} must be two or more different keys")
        if "hybrid" in self.parts:
            raise InvalidConfig("parts", "hybrid cannot be a part of itself")
        for key in self.settings:
            if key not in self.parts:
                raise InvalidConfig("settings", f"{key} is none of the parts {', '.join(self.parts)}")
        if not 1 <= self.steps <= 50:
            raise InvalidConfig("steps", f"{self.steps} must be 1 to 50")
        if self.validation_users < 1:
            raise InvalidConfig("validation_users", f"{self.validation_users} must be at least 1")


class Hybrid(Strategy[HybridConfig]):
    """Σ w_p z_p: each part's scores, brought to mean 0 and standard deviation 1 within the row, weighted.

    The weights are those of a grid on the simplex with the highest NDCG@10 of some users' last events, which the parts
    were not trained on; the parts are then trained again on everything. A part may take a third of the budget first,
    then two thirds.
    """

    key, name, family = "hybrid", "Blend of strategies", "collaborative"
    description = "A weighted blend of other strategies; weights are fitted on events held back from them."
    Config = HybridConfig

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        self.items = len(data.catalogue)
        tested = np.flatnonzero(np.diff(data.offsets) >= 2)
        if not tested.size:
            raise Unfit("hybrid needs users with two events or more, to fit its weights on their last ones")
        rng = np.random.default_rng(seed)
        users = np.sort(rng.permutation(tested)[: self.config.validation_users])
        last = data.offsets[users + 1] - 1
        rows = np.ones(len(data), dtype=bool)
        rows[last] = False
        # not divided among the parts: most take seconds, and what they leave would depend on the machine
        trial, final = (replace(budget, seconds=budget.seconds * share) for share in (TRIAL, 1 - TRIAL))
        known = data.take(rows)
        self._train(known, seed, trial, progress, 0.0)
        self.weights = self._fitted_weights(known, users, data.items[last])
        self._train(data, seed, final, progress, TRIAL)
        return report_of(data, started, **self._notes())

    def _notes(self) -> dict[str, str | int | float]:
        notes: dict[str, str | int | float] = {
            f"weight of {key}": round(float(weight), 4) for key, weight in zip(self.parts, self.weights, strict=True)
        }
        if self.config.parts == WITHOUT_TORCH and not find_spec("torch"):
            notes["without sequence"] = "PyTorch is not installed: pip install 'winnow-platform[deep]'"
        return notes

    def _train(self, data: Interactions, seed: int, budget: Budget, progress: Progress, done: float) -> None:
        self.parts: dict[str, Strategy[Any]] = {}
        share = (1 - TRIAL if done else TRIAL) / len(self.config.parts)
        for place, key in enumerate(self.config.parts):
            begin = done + share * place

            def of_part(step: float, what: str, begin: float = begin, key: str = key) -> None:
                progress(begin + share * step, f"{key}: {what}")

            own = self.checkpoint.part(f"{place}-{'whole' if done else 'known'}") if self.checkpoint else None
            self.parts[key] = self._trained_part(key, data, seed, budget, of_part, own)

    def _trained_part(
        self, key: str, data: Interactions, seed: int, budget: Budget, progress: Progress, own: Checkpoint | None
    ) -> Strategy[Any]:
        """A trained part; the one that an interrupted training had finished, if there was one."""
        kind = strategy_class(key)
        config = config_from(kind.Config, self.config.settings.get(key, {}))
        finished = own.part("finished") if own else None
        learnt = finished.read() if finished else None
        if learnt is not None:
            return kind.restore(config, learnt, data.catalogue)
        part = kind(config)
        part.checkpoint = own
        part.fit(data, seed=seed, budget=budget, progress=progress)
        if finished:
            finished.write(part.state())
        return part

    def _fitted_weights(
        self, data: Interactions, users: npt.NDArray[np.int64], wanted: npt.NDArray[np.int32]
    ) -> Floats:
        grid = np.array(list(_simplex(len(self.parts), self.config.steps)), dtype=np.float32)
        gains = np.zeros(len(grid))
        for begin in range(0, users.size, BLOCK):
            batch = data.batch(users[begin : begin + BLOCK])
            target = wanted[begin : begin + BLOCK]
            standardised, _ = self._standardised(batch)
            for place, weights in enumerate(grid):
                scores = np.tensordot(weights, standardised, axes=1)
                own = scores[np.arange(len(batch)), target].copy()
                if self.config.new_only:
                    scores[batch.rows, batch.items] = -np.inf
                rank = (scores > own[:, None]).sum(axis=1)
                gains[place] += (1 / np.log2(rank[rank < DEPTH] + 2)).sum()
        return np.asarray(grid[int(gains.argmax())])

    def _standardised(self, batch: Batch) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Shape (parts, B, items), and which items any part knows. What one knows nothing of counts as its lowest."""
        found = []
        known = np.zeros((len(batch), self.items), dtype=bool)
        for part in self.parts.values():
            scores = part.score(batch).astype(np.float32)
            usable = np.isfinite(scores)
            known |= usable
            lowest = np.where(usable, scores, np.inf).min(axis=1, keepdims=True)
            scores = np.where(usable, scores, np.where(np.isfinite(lowest), lowest, 0))
            spread = scores.std(axis=1, keepdims=True)
            found.append((scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1))
        return np.stack(found), known

    def score(self, batch: Batch) -> Floats:
        standardised, known = self._standardised(replace(batch, candidates=None))
        scores = np.where(known, np.tensordot(self.weights, standardised, axes=1), -np.inf).astype(np.float32)
        return scores if batch.candidates is None else scores[:, batch.candidates]

    def state(self) -> Arrays:
        arrays: dict[str, npt.NDArray[np.generic]] = {"weights": self.weights}
        for key, part in self.parts.items():
            arrays |= {f"{key}/{name}": array for name, array in part.state().items()}
        return arrays

    @classmethod
    def restore(cls, config: HybridConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.weights = arrays["weights"].astype(np.float32)
        strategy.items, strategy.parts = len(items), {}
        for key in config.parts:
            kind = strategy_class(key)
            own = {name.removeprefix(f"{key}/"): array for name, array in arrays.items() if name.startswith(f"{key}/")}
            strategy.parts[key] = kind.restore(config_from(kind.Config, config.settings.get(key, {})), own, items)
        return strategy


def _simplex(parts: int, steps: int) -> Iterator[tuple[float, ...]]:
    """All weights that are multiples of 1 / steps and add up to 1, the first part heaviest first."""
    for counts in product(range(steps, -1, -1), repeat=parts - 1):
        if sum(counts) <= steps:
            yield (*(count / steps for count in counts), (steps - sum(counts)) / steps)
