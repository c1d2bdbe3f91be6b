"""A blend keeps the contract and gives the better part the greater weight."""

from __future__ import annotations

import pytest

from recommenders.contracts import Interactions, Items
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies.hybrid import Hybrid, HybridConfig, _simplex
from recommenders.testing import StrategyContract, tastes


class TestHybrid(StrategyContract):
    strategy = Hybrid
    config = HybridConfig(steps=4, new_only=False)


def test_the_weights_favour_what_finds_the_last_events() -> None:
    strategy = Hybrid(HybridConfig(parts=("random", "user-frequency"), new_only=False))
    report = strategy.fit(tastes(), seed=1)
    assert report.notes["weight of user-frequency"] > 0.6
    assert sum(strategy.weights) == pytest.approx(1)


def test_the_parts_have_their_own_configurations() -> None:
    config = HybridConfig(settings={"recent-popularity": {"half_life_days": 1.0}})
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
