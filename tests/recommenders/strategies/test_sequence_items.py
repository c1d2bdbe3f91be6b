"""What a sequence model knows of items before and while it trains, without PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recommenders.contracts import Interactions, Items
from recommenders.strategies.sequence_course import ALIKE, Negatives
from recommenders.strategies.sequence_items import PENALTY, ridge, told_vectors


def shop() -> Interactions:
    """Two kinds of items, three of each; the last of each kind was never taken, one item has a word of its own."""
    texts = ("green tea", "green tea", "green tea", "red lamp", "red lamp", "red lamp", "unheard")
    return Interactions.build(
        users=[0, 0, 0, 1, 1],
        items=[0, 1, 0, 3, 4],
        catalogue=Items(ids=tuple(map(str, range(7))), texts=texts),
        user_ids=["x", "y"],
    )


def test_the_regression_is_the_one_in_closed_form() -> None:
    rng = np.random.default_rng(1)
    x = sparse.random_array((40, 12), density=0.4, rng=rng, dtype=np.float32).tocsr()
    y = rng.standard_normal((40, 3), dtype=np.float32)
    dense = x.toarray()
    expected = np.linalg.solve(dense.T @ dense + PENALTY * np.eye(12), dense.T @ y)
    np.testing.assert_allclose(ridge(x, y), expected, rtol=1e-3, atol=1e-4)


def test_words_tell_where_items_lie_that_nobody_took() -> None:
    start = np.zeros((7, 2), dtype=np.float32)
    start[[0, 1], 0] = start[[3, 4], 1] = 1
    start[[2, 5, 6]] = -1  # of these nothing may be learnt
    found = told_vectors(shop(), start)
    assert found is not None
    np.testing.assert_allclose(found[[2, 5]], [[1, 0], [0, 1]], atol=1e-5)
    assert not found[6].any()


def test_without_words_nothing_is_told() -> None:
    data = Interactions.build(users=[0], items=[0], catalogue=Items(ids=("a",)), user_ids=["x"])
    assert told_vectors(data, np.ones((1, 2), dtype=np.float32)) is None


@pytest.mark.parametrize("described", [True, False])
def test_a_quarter_of_the_negatives_are_any_items_where_content_describes_new_ones(described: bool) -> None:
    data = shop()
    negatives = Negatives(data, 40_000, np.random.default_rng(2), np.full(7, described))
    drawn = np.bincount(negatives.draw(), minlength=7) / 40_000
    taken = np.array([2, 1, 0, 1, 1, 0, 0]) / 5
    expected = (1 - ALIKE) * taken + ALIKE / 7 if described else taken
    np.testing.assert_allclose(drawn, expected, atol=0.01)
    possible = expected > 0
    np.testing.assert_allclose(np.exp(negatives.expected[possible]), 40_000 * expected[possible], rtol=1e-4)
