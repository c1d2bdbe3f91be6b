"""EASE keeps the contract, equals its closed form, and refuses what it could not hold."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.contracts import Budget, Interactions, Items
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies.ease import Ease, EaseConfig, memory
from recommenders.testing import StrategyContract, tastes


class TestEase(StrategyContract):
    strategy = Ease


class TestEaseWithFewWeights(StrategyContract):
    strategy = Ease
    config = EaseConfig(kept=8)


class TestEaseWithAllOfTheHistoryAlike(StrategyContract):
    strategy = Ease
    config = EaseConfig(decay=1.0, regularisation=20.0)


def test_weights_solve_the_regression_of_each_item_on_the_others() -> None:
    data = tastes()
    strategy = Ease(EaseConfig(regularisation=30.0))
    strategy.fit(data)
    weights, taken = strategy.weights.toarray(), np.zeros((len(data.user_ids), len(data.catalogue)))
    taken[data.users, data.items] = 1
    for item in (0, 17, 59):
        others = np.delete(np.arange(60), item)
        known, wanted = taken[:, others], taken[:, item]
        expected = np.linalg.solve(known.T @ known + 30 * np.eye(59), known.T @ wanted)
        np.testing.assert_allclose(weights[others, item], expected, atol=1e-5)
    assert not weights.diagonal().any()


def test_only_the_largest_weights_of_each_item_are_kept_and_stored() -> None:
    whole, few = Ease(), Ease(EaseConfig(kept=5))
    whole.fit(tastes())
    few.fit(tastes())
    all_weights, kept = whole.weights.toarray(), few.weights.toarray()
    assert (np.count_nonzero(kept, axis=1) == 5).all()
    np.testing.assert_array_equal(kept[kept != 0], all_weights[kept != 0])
    left_out = np.where(kept == 0, np.abs(all_weights), 0).max(axis=1)
    assert (left_out <= np.where(kept != 0, np.abs(kept), np.inf).min(axis=1)).all()
    assert few.state()["weights"].size == 5 * 60


def test_items_that_nobody_took_are_unknown_and_do_not_count_towards_the_limit() -> None:
    data = Interactions.build(
        users=[0, 0, 1, 1], items=[0, 3, 3, 0], catalogue=Items(ids=tuple("abcde")), user_ids=["x", "y"]
    )
    strategy = Ease(EaseConfig(max_items=2))
    strategy.fit(data)
    scores = strategy.score(data.batch([0, 1]))
    assert np.isneginf(scores[:, [1, 2, 4]]).all()
    assert np.isfinite(scores[:, [0, 3]]).all()


def test_too_many_items_are_refused_with_the_memory_they_need() -> None:
    with pytest.raises(Unfit, match=r"0\.0 GB for 60 items; at most 59 items"):
        Ease(EaseConfig(max_items=59)).fit(tastes())


def test_too_little_memory_is_refused_before_any_work() -> None:
    assert memory(60) == 28_800
    with pytest.raises(Unfit, match="60 items"):
        Ease().fit(tastes(), budget=Budget(memory=28_799))


def test_data_without_events_gives_a_strategy_that_knows_nothing() -> None:
    empty = tastes().take(np.zeros(0, dtype=np.int64))
    strategy = Ease()
    strategy.fit(empty)
    assert np.isneginf(strategy.score(empty.batch([0]))).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("regularisation", 0.0), ("decay", 1.1), ("max_items", 0), ("kept", 0), ("regularisation", float("inf"))],
)
def test_a_configuration_that_means_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=field):
        EaseConfig(**{field: value})  # type: ignore[arg-type]
