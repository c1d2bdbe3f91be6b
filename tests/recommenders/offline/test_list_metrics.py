"""What lists are like, by hand and against plain loops; intervals of coverage and Gini against drawing users anew."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from recommenders.contracts import Interactions, Items
from recommenders.offline.list_metrics import Catalogue, coverage, gini
from recommenders.testing import tastes

LISTS = np.array([[0, 1, 2], [0, 3, -1], [4, 0, 1], [-1, -1, -1]], dtype=np.int32)


def small() -> Interactions:
    """Four users; items a to d taken by 3, 2, 1, 1 of them, e by none; a user that takes an item twice counts once."""
    return Interactions.build(
        users=[0, 0, 0, 1, 1, 2, 2, 3],
        items=[0, 0, 1, 0, 1, 0, 2, 3],
        catalogue=Items(
            ids=tuple("abcde"),
            categories=np.array([0, 0, 1, -1, 2], dtype=np.int32),
            category_names=("x", "y", "z"),
            tags=(("red", "new"), ("red",), ("blue", "new", "new"), (), ("green",)),
        ),
        user_ids=list("wxyz"),
    )


def test_novelty_is_the_mean_self_information_by_hand() -> None:
    found = Catalogue(small()).describe(LISTS)["novelty"]
    a, b, once = -math.log2(3 / 4), 1.0, 2.0
    np.testing.assert_allclose(found[:3], [(a + b + once) / 3, (a + once) / 2, (once + a + b) / 3], rtol=1e-12)
    assert math.isnan(found[3])


def test_the_popularity_percentile_puts_equal_items_in_the_middle_of_their_range() -> None:
    catalogue = Catalogue(small())
    assert catalogue.percentile.tolist() == pytest.approx([0.9, 0.7, 0.4, 0.4, 0.1])
    found = catalogue.describe(LISTS)["popularity"]
    np.testing.assert_allclose(found[:2], [2 / 3, 0.65], rtol=1e-12)


def test_cold_items_are_those_that_nobody_took() -> None:
    assert Catalogue(small()).describe(LISTS)["cold_share"][:3].tolist() == pytest.approx([0, 0, 1 / 3])


def test_diversity_by_hand_leaves_out_pairs_without_the_feature() -> None:
    found = Catalogue(small()).describe(LISTS)
    np.testing.assert_allclose(found["diversity_category"], [2 / 3, np.nan, 2 / 3, np.nan])
    first = ((1 - 1 / 2) + (1 - 1 / 3) + 1) / 3
    np.testing.assert_allclose(found["diversity_tags"], [first, np.nan, (1 + 1 + 1 / 2) / 3, np.nan])


def test_diversity_is_that_of_a_loop_over_all_pairs() -> None:
    data = tastes()
    lists = np.argsort(np.random.default_rng(0).random((30, 60)), axis=1)[:, :7].astype(np.int32)
    found = Catalogue(data).describe(lists)
    tags, categories = data.catalogue.tags, data.catalogue.categories
    assert tags is not None
    assert categories is not None
    for row, items in enumerate(lists.tolist()):
        pairs = list(combinations(items, 2))
        apart = [categories[i] != categories[j] for i, j in pairs]
        jaccard = [1 - len({*tags[i]} & {*tags[j]}) / len({*tags[i]} | {*tags[j]}) for i, j in pairs]
        assert found["diversity_category"][row] == pytest.approx(np.mean(apart))
        assert found["diversity_tags"][row] == pytest.approx(np.mean(jaccard))


def test_there_is_no_diversity_without_features() -> None:
    bare = replace(small(), catalogue=Items(ids=tuple("abcde")))
    assert not {"diversity_category", "diversity_tags"} & set(Catalogue(bare).describe(LISTS))


def test_coverage_is_the_share_of_items_in_any_list_and_its_spread_that_of_leaving_users_out() -> None:
    rng = np.random.default_rng(1)
    lists = rng.zipf(1.5, size=(40, 5)).clip(max=200).astype(np.int32) - 1
    lists = np.stack([np.resize(np.unique(row), 5) for row in lists])  # some items twice would be no list
    lists = np.where(np.arange(5) < np.array([np.unique(row).size for row in lists])[:, None], lists, -1)
    values = coverage(lists, 200)

    def share(rows: np.ndarray) -> float:
        return np.unique(rows[rows >= 0]).size / 200

    without = np.array([share(np.delete(lists, user, axis=0)) for user in range(40)])
    assert values.mean() == pytest.approx(share(lists), abs=1e-12)
    assert values.var(ddof=1) / 40 == pytest.approx(39 / 40 * ((without - without.mean()) ** 2).sum(), rel=1e-9)


def test_gini_is_the_mean_difference_of_all_pairs_of_items() -> None:
    lists = np.random.default_rng(2).zipf(1.4, size=(60, 4)).clip(max=50).astype(np.int32) - 1
    counts = np.bincount(lists.ravel(), minlength=50)
    expected = np.abs(counts[:, None] - counts).sum() / (2 * 50 * counts.sum())
    assert gini(lists, 50).mean() == pytest.approx(expected, rel=1e-12)


def test_gini_is_nought_where_all_items_are_shown_alike_and_largest_where_one_has_all() -> None:
    assert gini(np.arange(10, dtype=np.int32).reshape(5, 2), 10).mean() == pytest.approx(0, abs=1e-12)
    assert gini(np.zeros((5, 1), dtype=np.int32), 10).mean() == pytest.approx(0.9)


@pytest.mark.parametrize(("metric", "low", "high"), [(coverage, 1.0, 1.8), (gini, 0.8, 1.25)])
def test_the_spread_over_samples_of_users_is_claimed_and_that_of_coverage_is_never_too_small(metric, low, high) -> None:
    rng = np.random.default_rng(3)
    weight = np.log(np.arange(1, 201))

    def lists() -> np.ndarray:
        # five of 200 items, the first ones more often, without repetition
        return np.argpartition(rng.gumbel(size=(200, 200)) * -1 + weight, 5, axis=1)[:, :5].astype(np.int32)

    drawn = [metric(lists(), 200) for _ in range(100)]
    spread = np.std([values.mean() for values in drawn], ddof=1)
    claimed = np.mean([values.std(ddof=1) / np.sqrt(200) for values in drawn])
    assert low < claimed / spread < high


def test_empty_lists_have_no_gini_and_cover_nothing() -> None:
    nothing = np.full((3, 2), -1, dtype=np.int32)
    assert np.isnan(gini(nothing, 4)).all()
    assert coverage(nothing, 4).tolist() == [0, 0, 0]
