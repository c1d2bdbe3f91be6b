"""Item-kNN keeps the contract and computes what its formula says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommenders.contracts import Budget, Interactions, Items
from recommenders.errors import InvalidConfig, Unfit
from recommenders.strategies import item_knn
from recommenders.strategies.item_knn import ItemKnn, ItemKnnConfig, recency_weights
from recommenders.testing import StrategyContract, tastes


class TestItemKnn(StrategyContract):
    strategy = ItemKnn


class TestItemKnnWithFewNeighboursAndRepeats(StrategyContract):
    strategy = ItemKnn
    config = ItemKnnConfig(neighbours=5, repeats=True, decay=1.0, shrinkage=0.0, tilt=0.7)


def three() -> Interactions:
    """x took a, b, c in this order, y took a and b at once, z took c; nobody took d."""
    return Interactions.build(
        users=[0, 0, 0, 1, 1, 2],
        items=[0, 1, 2, 0, 1, 2],
        times=[1, 2, 3, 5, 5, 6],
        catalogue=Items(ids=("a", "b", "c", "d")),
        user_ids=["x", "y", "z"],
    )


def fitted(data: Interactions, **settings: float) -> ItemKnn:
    strategy = ItemKnn(ItemKnnConfig(**settings))  # type: ignore[arg-type]
    strategy.fit(data)
    return strategy


def test_similarities_are_the_shrunk_cosine_by_hand() -> None:
    similar = fitted(three(), shrinkage=1.0).similar.toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2 / 2 * 2 / 3
    expected[0, 2] = expected[2, 0] = expected[1, 2] = expected[2, 1] = 1 / 2 * 1 / 2
    np.testing.assert_allclose(similar, expected, rtol=1e-6)


def test_similarities_equal_the_dense_formula_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tastes()
    taken = np.zeros((len(data.user_ids), len(data.catalogue)))
    taken[data.users, data.items] = 1
    both, count = taken.T @ taken, taken.sum(axis=0)
    expected = both / np.outer(count**0.6, count**0.4) * both / (both + 10)
    np.fill_diagonal(expected, 0)
    for most in (1, 5_000, item_knn.BLOCK):
        monkeypatch.setattr(item_knn, "BLOCK", most)
        np.testing.assert_allclose(fitted(data, tilt=0.6).similar.toarray(), expected, rtol=1e-5)


def test_only_the_strongest_neighbours_are_kept() -> None:
    data = tastes()
    whole, few = fitted(data).similar.toarray(), fitted(data, neighbours=3).similar.toarray()
    assert (few > 0).sum(axis=1).max() == 3
    np.testing.assert_allclose(np.sort(few, axis=1)[:, -3:], np.sort(whole, axis=1)[:, -3:])


def test_recent_moments_count_more_and_one_basket_counts_alike() -> None:
    batch = three().batch([0, 1, 2])
    assert recency_weights(batch, 0.5).tolist() == [0.25, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert recency_weights(batch, 1.0).tolist() == [1.0] * 6


def test_scores_add_up_similarities_weighted_by_recency() -> None:
    strategy = fitted(three(), shrinkage=1.0, decay=0.5)
    scores = strategy.score(three().batch([0]))[0]
    np.testing.assert_allclose(scores[:3], [2 / 3 / 2 + 1 / 4, 2 / 3 / 4 + 1 / 4, 1 / 4 / 4 + 1 / 4 / 2], atol=2e-6)


def test_an_item_that_nobody_took_is_unknown_and_the_others_follow_by_popularity() -> None:
    data = three()
    strategy = fitted(data)
    nobody = replace(data.batch([]), users=np.array([-1], dtype=np.int32), offsets=np.zeros(2, dtype=np.int64))
    scores = strategy.score(replace(nobody, now=np.array([9])))[0]
    assert scores[3] == -np.inf
    assert scores[0] == scores[1] == scores[2] > 0


def test_an_item_speaks_for_itself_only_if_repeats_are_wanted() -> None:
    assert not fitted(three()).similar.diagonal().any()
    assert fitted(three(), repeats=True, shrinkage=0.0).similar.diagonal()[:3] == pytest.approx([1, 1, 1])


def test_taking_an_item_twice_does_not_make_it_more_similar() -> None:
    data = tastes()
    twice = data.take(np.repeat(np.arange(len(data)), 2))
    np.testing.assert_array_equal(fitted(data).similar.toarray(), fitted(twice).similar.toarray())


def test_data_without_events_gives_a_strategy_that_knows_nothing() -> None:
    empty = tastes().take(np.zeros(0, dtype=np.int64))
    scores = fitted(empty).score(empty.batch([0, 1]))
    assert scores.shape == (2, 60)
    assert np.isneginf(scores).all()


def test_a_budget_that_is_too_small_is_said() -> None:
    with pytest.raises(Unfit, match="of 60 items"):
        ItemKnn().fit(tastes(), budget=Budget(memory=100))


@pytest.mark.parametrize(
    ("field", "value"), [("neighbours", 0), ("shrinkage", -1.0), ("tilt", 1.5), ("decay", 0.0), ("decay", float("nan"))]
)
def test_a_configuration_that_means_nothing_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidConfig, match=field):
        ItemKnnConfig(**{field: value})  # type: ignore[arg-type]
