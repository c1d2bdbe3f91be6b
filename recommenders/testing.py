"""Tests that every strategy must pass. In your own tests: ``class TestMine(StrategyContract): strategy = Mine``.

Needs pytest. ``config`` is what to test with, for instance fewer passes of training.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from recommenders.artefacts import load, save
from recommenders.base import Strategy, config_from, config_to
from recommenders.contracts import BUDGET, Batch, FitReport, Interactions, Items
from recommenders.ranking import top_k
from recommenders.registry import places

_TRAINED: dict[tuple[type, str, int], tuple[Strategy[object], Interactions, FitReport]] = {}

GROUPS, ITEMS_EACH, USERS, EVENTS = 6, 10, 240, 14
HOUR = 3_600


def tastes(*, seed: int = 7, users: int = USERS) -> Interactions:
    """Users who mostly take the items of one group, several times; items with text, category, price and tags."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), ITEMS_EACH)
    count = group.size
    words = ("tea", "shoes", "lamp", "novel", "bike", "sofa")
    catalogue = Items(
        ids=tuple(f"item-{i}" for i in range(count)),
        texts=tuple(f"{words[g]} number {i} for people who like {words[g]}" for i, g in enumerate(group)),
        categories=group.astype(np.int32),
        category_names=words,
        prices=(10.0 * (group + 1) + rng.random(count)).astype(np.float32),
        tags=tuple((words[g], "new" if i % 2 else "classic") for i, g in enumerate(group)),
    )
    taste = rng.integers(GROUPS, size=users)
    who = np.repeat(np.arange(users), EVENTS)
    own = rng.random(who.size) < 0.85
    liked = np.where(own, taste[who], rng.integers(GROUPS, size=who.size))
    what = liked * ITEMS_EACH + np.minimum(rng.geometric(0.25, who.size) - 1, ITEMS_EACH - 1)
    return Interactions.build(
        users=who,
        items=what,
        times=np.tile(np.arange(EVENTS), users) * HOUR + who,
        kinds=np.where(rng.random(who.size) < 0.3, 3, 1),
        values=np.where(own, 4.0, 2.0) + rng.integers(0, 2, who.size),
        catalogue=catalogue,
        user_ids=[f"user-{i}" for i in range(users)],
        rated=True,
    )


class StrategyContract:
    """Inherit, set ``strategy`` and perhaps ``config``."""

    strategy: ClassVar[type[Strategy[object]]]
    config: ClassVar[object] = None
    beats_random: ClassVar[bool] = True

    @classmethod
    def fitted(cls, seed: int = 1) -> tuple[Strategy[object], Interactions, FitReport]:
        """The strategy, trained on :func:`tastes` without each user's last event."""
        return _fitted(cls.strategy, cls.config, seed)

    def test_it_is_registered_under_its_key(self) -> None:
        assert places()[self.strategy.key] == f"{self.strategy.__module__}:{self.strategy.__name__}"

    def test_its_configuration_survives_json_and_refuses_unknown_fields(self) -> None:
        config = self.config or self.strategy.Config()
        assert is_dataclass(config)
        assert config_from(self.strategy.Config, config_to(config)) == config
        assert {one.name for one in fields(config)} == set(config_to(config))

    def test_scores_have_the_shape_and_are_numbers(self) -> None:
        strategy, data, report = self.fitted()
        batch = data.batch(np.arange(20))
        scores = strategy.score(batch)
        assert scores.shape == (20, len(data.catalogue))
        assert scores.dtype == np.float32
        assert not np.isnan(scores).any()
        assert not np.isposinf(scores).any()
        assert (report.users, report.items, report.interactions) == (USERS, len(data.catalogue), len(data))

    def test_the_same_seed_gives_the_same_scores(self) -> None:
        first, data, _ = self.fitted()
        again = self.strategy(self.config)
        again.fit(data, seed=1, budget=BUDGET)
        batch = data.batch(np.arange(30))
        np.testing.assert_allclose(first.score(batch), again.score(batch), rtol=1e-5, atol=1e-6)

    def test_asking_one_by_one_is_asking_all_at_once(self) -> None:
        strategy, data, _ = self.fitted()
        users = np.arange(12)
        together = strategy.score(data.batch(users))
        alone = np.concatenate([strategy.score(data.batch([user])) for user in users])
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)

    def test_candidates_get_the_scores_they_have_among_all(self) -> None:
        strategy, data, _ = self.fitted()
        batch = data.batch(np.arange(8))
        some = np.array([3, 0, 41], dtype=np.int32)
        np.testing.assert_allclose(
            strategy.score(replace(batch, candidates=some)), strategy.score(batch)[:, some], rtol=1e-5, atol=1e-6
        )

    def test_unknown_users_and_empty_histories_get_scores(self) -> None:
        strategy, data, _ = self.fitted()
        scores = strategy.score(_nobody(data))
        assert scores.shape == (2, len(data.catalogue))
        assert not np.isnan(scores).any()
        assert strategy.score(data.batch([])).shape == (0, len(data.catalogue))

    def test_what_is_stored_scores_as_what_was_trained(self, tmp_path: Path) -> None:
        strategy, data, report = self.fitted()
        save(strategy, tmp_path / "v", data=data, seed=1, report=report, code_version="test")
        loaded, items, manifest = load(tmp_path / "v")
        batch = data.batch(np.arange(25))
        np.testing.assert_array_equal(loaded.score(batch), strategy.score(batch))
        assert items.ids == data.catalogue.ids
        assert manifest.key == self.strategy.key

    def test_asking_changes_nothing(self) -> None:
        strategy, data, _ = self.fitted()
        batch = data.batch(np.arange(10))
        history, first = batch.items.copy(), strategy.score(batch).copy()
        np.testing.assert_array_equal(strategy.score(batch), first)
        np.testing.assert_array_equal(batch.items, history)

    def test_it_finds_more_than_chance_does(self) -> None:
        if not self.beats_random:
            return
        strategy, data, _ = self.fitted()
        whole = tastes()
        last = whole.items[whole.offsets[1:] - 1]
        ranked = top_k(strategy.score(data.batch(np.arange(USERS))), 10)
        hits = float((ranked.items == last[:, None]).any(axis=1).mean())
        assert hits > 1.5 * 10 / len(data.catalogue)


def _fitted(
    kind: type[Strategy[object]], config: object, seed: int
) -> tuple[Strategy[object], Interactions, FitReport]:
    """Trained once for all tests of a class. A configuration may have no hash, so its text is the key."""
    key = (kind, repr(config), seed)
    if key not in _TRAINED:
        _TRAINED[key] = _train(kind, config, seed)
    return _TRAINED[key]


def _train(kind: type[Strategy[object]], config: object, seed: int) -> tuple[Strategy[object], Interactions, FitReport]:
    whole = tastes()
    rows = np.ones(len(whole), dtype=bool)
    rows[whole.offsets[1:] - 1] = False
    data = whole.take(rows)
    strategy = kind(config)
    report = strategy.fit(data, seed=seed, budget=BUDGET)
    return strategy, data, report


def _nobody(data: Interactions) -> Batch:
    """Two users that nobody knows, without a history."""
    none = data.batch([])
    return replace(
        none,
        users=np.full(2, -1, dtype=np.int32),
        offsets=np.zeros(3, dtype=np.int64),
        now=np.full(2, 10**9, dtype=np.int64),
    )
