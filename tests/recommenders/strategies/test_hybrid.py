"""A blend keeps the contract and gives the better part the greater weight."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from recommenders.contracts import Budget, Interactions, Items
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies import hybrid
from recommenders.strategies.baselines import Random
from recommenders.strategies.hybrid import BOTH, WITHOUT_TORCH, Hybrid, HybridConfig, _simplex
from recommenders.testing import StrategyContract, tastes


class TestHybrid(StrategyContract):
    strategy = Hybrid
    config = HybridConfig(parts=WITHOUT_TORCH, steps=4, new_only=False)


class TestHybridOfSequenceAndNeighbours(StrategyContract):
    strategy = Hybrid
    config = HybridConfig(
        parts=BOTH,
        settings={"sequence": {"width": 16, "negatives": 32, "passes": 4, "batch": 512}},
        steps=4,
        new_only=False,
    )

    @pytest.fixture(autouse=True)
    def torch(self) -> None:
        pytest.importorskip("torch")


def test_the_default_parts_are_the_best_that_can_be_trained_here_and_it_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hybrid, "find_spec", lambda name: object())
    assert HybridConfig().parts == ("sequence", "item-knn")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "torch", None)
    assert HybridConfig().parts == ("item-knn", "recent-popularity")
    notes = Hybrid().fit(tastes(users=50)).notes
    assert "winnow-platform[deep]" in str(notes["without sequence"])


def test_items_that_no_part_knows_have_no_score_and_those_that_one_knows_have() -> None:
    data = tastes()
    kept = data.take(data.items != 7)
    strategy = Hybrid(HybridConfig(parts=("item-knn", "ease")))
    strategy.fit(kept)
    scores = strategy.score(kept.batch(np.arange(10)))
    assert np.isneginf(scores[:, 7]).all()
    assert np.isfinite(np.delete(scores, 7, axis=1)).all()
    strategy = Hybrid(HybridConfig(parts=("item-knn", "random")))
    strategy.fit(kept)
    assert np.isfinite(strategy.score(kept.batch([0]))).all()


def test_only_the_users_that_decide_are_held_back_and_the_last_training_gets_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, float]] = []

    class Watched(Random):
        def fit(self, data, *, budget, **others):  # type: ignore[no-untyped-def, override]
            seen.append((len(data), budget.seconds))
            return super().fit(data, budget=budget, **others)

    monkeypatch.setattr(hybrid, "strategy_class", lambda key: Watched)
    data = tastes()
    Hybrid(HybridConfig(parts=("random", "a"), validation_users=30)).fit(data, budget=Budget(seconds=30))
    assert [(n, round(seconds)) for n, seconds in seen] == [(len(data) - 30, 10)] * 2 + [(len(data), 20)] * 2


def test_the_weights_favour_what_finds_the_last_events() -> None:
    strategy = Hybrid(HybridConfig(parts=("random", "user-frequency"), new_only=False))
    report = strategy.fit(tastes(), seed=1)
    assert report.notes["weight of user-frequency"] > 0.6
    assert sum(strategy.weights) == pytest.approx(1)


def test_the_parts_have_their_own_configurations() -> None:
    config = HybridConfig(parts=WITHOUT_TORCH, settings={"recent-popularity": {"half_life_days": 1.0}})
    strategy = Hybrid(config)
    strategy.fit(tastes(users=50))
    assert strategy.parts["recent-popularity"].config.half_life_days == 1.0


def test_the_grid_holds_every_combination_once() -> None:
    grid = list(_simplex(3, 4))
    assert len(set(grid)) == len(grid) == 15
    assert all(sum(weights) == pytest.approx(1) for weights in grid)


def test_users_with_one_event_cannot_say_which_part_is_better() -> None:
    lonely = Interactions.build(users=[0, 1], items=[0, 1], catalogue=Items(ids=("a", "b")), user_ids=["x", "y"])
    with pytest.raises(Unfit, match="two events"):
        Hybrid().fit(lonely)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"parts": ("item-knn",)}, "parts"),
        ({"parts": ("random", "random")}, "parts"),
        ({"parts": ("random", "hybrid")}, "parts"),
        ({"settings": {"ease": {}}}, "settings"),
        ({"steps": 0}, "steps"),
        ({"validation_users": 0}, "validation_users"),
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidConfig, match=field):
        HybridConfig(**change)
