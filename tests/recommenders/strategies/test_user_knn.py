"""User-kNN keeps the contract, ranks what similar users took, and predicts ratings better than means do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommenders.contracts import Interactions, Items
from recommenders.errors import InvalidConfig
from recommenders.offline.splits import leave_last_out
from recommenders.strategies.user_knn import UserKnn, UserKnnConfig
from recommenders.testing import StrategyContract, tastes


class TestUserKnn(StrategyContract):
    strategy = UserKnn


class TestUserKnnWithFewNeighbours(StrategyContract):
    strategy = UserKnn
    config = UserKnnConfig(neighbours=4, shrinkage=0.0, trust=0.1)


def fitted(data: Interactions, **settings: float) -> UserKnn:
    strategy = UserKnn(UserKnnConfig(**settings))  # type: ignore[arg-type]
    strategy.fit(data)
    return strategy


def four() -> Interactions:
    """x took a, b; y took a, b, c; z took c, d; w took e."""
    return Interactions.build(
        users=[0, 0, 1, 1, 1, 2, 2, 3],
        items=[0, 1, 0, 1, 2, 2, 3, 4],
        catalogue=Items(ids=tuple("abcdef")),
        user_ids=list("xyzw"),
    )


def test_implicit_scores_add_up_the_shrunk_cosines_of_others_by_hand() -> None:
    scores = fitted(four(), decay=1.0, shrinkage=2.0).score(four().batch([0]))[0]
    alike = 2 / np.sqrt(2 * 3) * 2 / (2 + 2)
    np.testing.assert_allclose(scores[:5], [alike, alike, alike, 0, 0], atol=2e-6)
    assert scores[5] == -np.inf


def test_a_user_that_is_not_in_the_training_is_served_by_the_history_alone() -> None:
    data = four()
    strategy = fitted(data, decay=1.0, shrinkage=0.0)
    batch = data.batch([0])
    stranger = strategy.score(replace(batch, users=np.array([-1], dtype=np.int32)))[0]
    assert stranger[0] == pytest.approx(strategy.score(batch)[0][0] + 1.0, abs=1e-5)  # x is one more neighbour


def test_implicit_ranking_beats_chance_as_the_contract_asks_of_rated_data() -> None:
    data = replace(tastes(), rated=False)
    split = leave_last_out(data)
    scores = fitted(split.train).score(split.batch(0, split.users.size))
    best = np.argsort(-scores, axis=1)[:, :10]
    assert (best == split.test.items[:, None]).any(axis=1).mean() > 0.5


def test_ratings_are_predicted_as_the_formula_says_by_hand() -> None:
    data = Interactions.build(
        users=[0, 0, 1, 1, 1],
        items=[0, 1, 0, 1, 2],
        values=[5, 1, 4, 2, 5],
        rated=True,
        catalogue=Items(ids=("a", "b", "c")),
        user_ids=["x", "y"],
    )
    predicted = fitted(data, bias_shrinkage=1.0, shrinkage=1.0, trust=0.5).score(data.batch([0]))[0]
    mu = 17 / 5
    item = np.array([9 - 2 * mu, 3 - 2 * mu, 5 - mu]) / np.array([3, 3, 2])
    x, y = np.array([5, 1]) - mu - item[:2], np.array([4, 2, 5]) - mu - item
    bias_x, bias_y = x.sum() / 3, y.sum() / 4
    x, y = x - bias_x, y - bias_y
    alike = x @ y[:2] / np.linalg.norm(x) / np.linalg.norm(y) * 2 / 3
    assert alike > 0
    np.testing.assert_allclose(predicted, mu + item + bias_x + alike * y / (0.5 + alike), atol=1e-5)


def test_predictions_are_closer_than_those_of_global_user_and_item_means() -> None:
    split = leave_last_out(tastes(users=600))
    strategy = fitted(split.train)
    given, rows = split.test.values, np.arange(split.users.size)
    predicted = strategy.score(split.batch(0, rows.size))[rows, split.test.items]
    train = split.train
    by_user = np.bincount(train.users, weights=train.values) / np.bincount(train.users)
    by_item = np.bincount(train.items, weights=train.values) / np.bincount(train.items)
    ours = np.sqrt(np.mean((predicted - given) ** 2))
    for mean in (train.values.mean(), by_user[split.test.users], by_item[split.test.items]):
        assert ours < 0.95 * np.sqrt(np.mean((mean - given) ** 2))


def test_moving_the_scale_of_ratings_moves_the_predictions_with_it() -> None:
    data = tastes()
    moved = replace(data, values=data.values * 2 + 10)
    batch = data.batch(np.arange(20))
    once = fitted(data).score(batch)
    again = fitted(moved).score(replace(batch, values=batch.values * 2 + 10))
    np.testing.assert_allclose(again, once * 2 + 10, atol=1e-4)


def test_a_pair_rated_twice_counts_with_its_mean() -> None:
    data = tastes()
    twice = data.take(np.repeat(np.arange(len(data)), 2))
    batch = data.batch(np.arange(10))
    np.testing.assert_allclose(fitted(data).score(batch), fitted(twice).score(batch), atol=1e-5)


@pytest.mark.parametrize("rated", [True, False])
def test_data_without_events_gives_a_strategy_that_knows_nothing(rated: bool) -> None:
    empty = replace(tastes().take(np.zeros(0, dtype=np.int64)), rated=rated)
    assert np.isneginf(fitted(empty).score(empty.batch([0]))).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [("neighbours", 0), ("shrinkage", -1.0), ("decay", 0.0), ("bias_shrinkage", 0.0), ("trust", float("nan"))],
)
def test_a_configuration_that_means_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=field):
        UserKnnConfig(**{field: value})  # type: ignore[arg-type]
