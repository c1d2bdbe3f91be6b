"""A small shop: 40 items, 60 users who buy within one of two halves; and strategies that misbehave."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from django.conf import settings

from experiments.contracts import PlannedArm, Role, Unit
from experiments.models import Experiment
from experiments.services import lifecycle
from recommenders.artefacts import save
from recommenders.base import NoConfig, Strategy
from recommenders.contracts import Batch, FitReport, Floats, Interactions, Items
from recommenders.models import Strategy as StrategyRow
from recommenders.ranking import Ranked
from recommenders.registry import strategy_class
from recommenders.services import register_trained
from winnow.serving.versions import VERSIONS, Loaded

ITEMS = tuple(f"i{code:02}" for code in range(40))
NEVER_BOUGHT = ITEMS[-4:]  # item-knn knows nothing of them


def sales() -> Interactions:
    rng = np.random.default_rng(4)
    users = np.repeat(np.arange(60), 8)
    items = rng.integers(0, 18, size=users.size) + 18 * (users % 2)
    return Interactions.build(
        users=users, items=items, catalogue=Items(ids=ITEMS), user_ids=[f"u{code}" for code in range(60)]
    )


def register(key: str, *, version: str = "v1", current: bool = True) -> str:
    """Train, store and register a version; its label."""
    strategy, data = strategy_class(key)(), sales()
    report = strategy.fit(data)
    folder = settings.HOME / "artefacts" / key / version
    manifest = save(strategy, folder, data=data, seed=0, report=report, code_version="test")
    register_trained(version, manifest, current=current)
    return f"{key}@{version}"


def experiment(
    *strategies: str, key: str = "exp", exploration: float = 0.0, unit: Unit = Unit.USER, start: bool = True
) -> str:
    """A running experiment whose arms, control first, have these strategies; its key."""
    arms = tuple(
        PlannedArm(key="control" if place == 0 else f"arm-{place}", strategy=label, exploration=exploration)
        for place, label in enumerate(strategies)
    )
    lifecycle.create(lifecycle.Draft(key=key, name=key, arms=arms, metrics=(("ctr", Role.PRIMARY),), unit=unit))
    if start:
        lifecycle.start(key)
    return key


def loaded(label: str) -> Loaded:
    """The version as this process serves it."""
    return VERSIONS.find(label, deadline=time.monotonic() + 20)


@dataclass
class Misbehaving(Strategy[NoConfig]):
    """A strategy that does what a test says."""

    key, name, family = "misbehaving", "Misbehaving", "baseline"
    Config = NoConfig
    how: str = ""
    config = NoConfig()
    outcomes: Counter[str] = field(default_factory=Counter)

    def fit(self, data, **_: object) -> FitReport:
        raise NotImplementedError

    def score(self, batch: Batch) -> Floats:
        scores = np.tile(np.arange(len(ITEMS), dtype=np.float32), (len(batch), 1))
        if self.how == "raises":
            raise RuntimeError("no")
        if self.how == "raises a timeout of its own":
            raise TimeoutError("no")
        if self.how == "nan":
            return np.full_like(scores, np.nan)
        if self.how == "some infinite":
            scores[:, 5] = np.inf
            scores[:, 6] = np.nan
        if self.how == "wrong shape":
            return scores[:, :-1]
        if self.how == "a list":
            return [1.0]  # type: ignore[return-value]
        if self.how == "too few":
            scores[:, 3:] = -np.inf
        if self.how == "sleeps":
            time.sleep(0.6)
        return scores

    @property
    def shortlist(self) -> int:
        return 20 if self.how.startswith("rerank") else 0

    def rerank(self, batch: Batch, ranked: Ranked) -> Ranked:
        if self.how == "rerank raises":
            raise RuntimeError("no")
        if self.how == "rerank sleeps":
            time.sleep(0.6)
        if self.how == "rerank invents":
            return Ranked(items=ranked.items * 0, scores=ranked.scores)
        self.outcomes["answered"] += len(batch)
        reasons = tuple(tuple(f"because {code}" for code in row) for row in ranked.items[:, ::-1].tolist())
        return Ranked(items=ranked.items[:, ::-1], scores=ranked.scores[:, ::-1], reasons=reasons)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restore(cls, config, arrays, items) -> Self:
        return cls()


def misbehave(label: str, how: str) -> None:
    """Let the loaded version do this."""
    loaded(label).strategy = Misbehaving(how=how)


def current_is(key: str, label: str | None) -> None:
    """Make a registered version current, or none."""
    row = StrategyRow.objects.get(key=key)
    row.current = row.versions.get(version=label.partition("@")[2]) if label else None
    row.save()


def exists(key: str) -> bool:
    """Whether there is an experiment with this key."""
    return Experiment.objects.filter(key=key).exists()
