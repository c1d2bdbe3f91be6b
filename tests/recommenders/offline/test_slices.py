"""Slices hold the users and items that their names say."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.contracts import Interactions, Items
from recommenders.offline.slices import Pool, among, slices_of
from recommenders.offline.splits import temporal

ITEMS = 30


def split():
    """Before 10: x took 0, 1, 2 and 0 again, y took 3. After: x takes 0 twice, 3 and 9; y takes 3; z takes 8 and 1."""
    events = [
        (0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 0, 4), (1, 3, 5),
        (0, 0, 11), (0, 0, 12), (0, 3, 13), (0, 9, 14), (1, 3, 15), (2, 8, 16), (2, 1, 17),
    ]  # fmt: skip
    who, what, when = zip(*events, strict=True)
    catalogue = Items(ids=tuple(f"i{i}" for i in range(ITEMS)))
    data = Interactions.build(users=who, items=what, times=when, catalogue=catalogue, user_ids=["x", "y", "z"])
    return temporal(data, 10)


def wanted(part) -> list[tuple[int, int]]:
    return [divmod(pair, ITEMS) for pair in part.wanted.tolist()]


def test_where_repeats_matter_new_and_repeat_items_are_ranked_apart() -> None:
    parts = {part.name: part for part in slices_of(split(), k=5, new_only=False)}
    assert list(parts) == [
        "all", "light users", "heavy users", "cold users",
        "new items", "repeat items", "cold items", "cold items apart",
    ]  # fmt: skip
    assert wanted(parts["all"]) == [(0, 0), (0, 3), (0, 9), (1, 3), (2, 1), (2, 8)]
    assert parts["all"].pool is Pool.ALL
    assert wanted(parts["repeat items"]) == [(0, 0), (1, 3)]
    assert parts["repeat items"].pool is Pool.TAKEN
    assert parts["repeat items"].users.tolist() == [True, True, False]
    assert wanted(parts["new items"]) == [(0, 3), (0, 9), (2, 1), (2, 8)]
    assert parts["new items"].pool is Pool.NEW
    assert parts["all"].relevant(ITEMS).tolist() == [3, 1, 2]


def test_users_are_light_up_to_the_median_of_their_histories_and_cold_without_one() -> None:
    parts = {part.name: part for part in slices_of(split(), k=5, new_only=False)}
    assert parts["light users"].users.tolist() == [False, True, True]
    assert parts["heavy users"].users.tolist() == [True, False, False]
    assert parts["cold users"].users.tolist() == [False, False, True]


def test_cold_items_are_those_that_nobody_took_and_are_ranked_apart_if_they_exceed_a_list() -> None:
    parts = {part.name: part for part in slices_of(split(), k=5, new_only=False)}
    assert wanted(parts["cold items"]) == [(0, 9), (2, 8)]
    assert parts["cold items apart"].pool is Pool.COLD
    assert "cold items apart" not in [part.name for part in slices_of(split(), k=26, new_only=False)]


def test_with_new_items_only_a_user_who_took_nothing_new_is_not_evaluated() -> None:
    parts = {part.name: part for part in slices_of(split(), k=5, new_only=True)}
    assert wanted(parts["all"]) == [(0, 3), (0, 9), (2, 1), (2, 8)]
    assert parts["all"].pool is Pool.NEW
    assert parts["all"].users.tolist() == [True, False, True]
    assert not {"new items", "repeat items"} & set(parts)


@pytest.mark.parametrize("size", [0, 1, 50])
def test_membership_is_that_of_numpy(size: int) -> None:
    rng = np.random.default_rng(size)
    known, asked = np.unique(rng.integers(0, 100, size)), rng.integers(0, 120, (20, 3))
    np.testing.assert_array_equal(among(asked, known), np.isin(asked, known))
