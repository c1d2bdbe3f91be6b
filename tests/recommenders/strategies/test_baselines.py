"""The controls keep the contract, and do what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.contracts import Interactions, Items
from recommenders.errors import InvalidConfig
from recommenders.strategies.baselines import (
    DAY,
    FrequencyConfig,
    PopularityConfig,
    Random,
    RecentPopularity,
    UserFrequency,
)
from recommenders.testing import StrategyContract


class TestRandom(StrategyContract):
    strategy = Random
    beats_random = False


class TestRecentPopularity(StrategyContract):
    strategy = RecentPopularity


class TestUserFrequency(StrategyContract):
    strategy = UserFrequency


def week() -> Interactions:
    """Two users; the first took item 0 twice long ago and item 1 yesterday, the second item 2 today."""
    return Interactions.build(
        users=[0, 0, 0, 1],
        items=[0, 0, 1, 2],
        times=[0, DAY, 99 * DAY, 100 * DAY],
        catalogue=Items(ids=("a", "b", "c", "d")),
        user_ids=["x", "y"],
    )


def test_popularity_counts_an_event_half_after_its_half_life() -> None:
    strategy = RecentPopularity(PopularityConfig(half_life_days=50.0))
    strategy.fit(week())
    assert strategy.popularity.tolist() == pytest.approx([0.25 + 0.5 ** (99 / 50), 0.5 ** (1 / 50), 1.0, 0.0])


def test_without_a_half_life_all_events_count_alike() -> None:
    strategy = RecentPopularity(PopularityConfig(half_life_days=None))
    strategy.fit(week())
    assert strategy.popularity.tolist() == [2, 1, 1, 0]


def test_a_users_own_items_come_first_then_those_of_the_others() -> None:
    strategy = UserFrequency(FrequencyConfig(half_life_days=None))
    data = week()
    strategy.fit(data)
    assert np.argsort(-strategy.score(data.batch([0]))[0], kind="stable").tolist() == [0, 1, 2, 3]
    assert np.argsort(-strategy.score(data.batch([1]))[0], kind="stable").tolist() == [2, 0, 1, 3]


def test_a_half_life_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="half_life_days"):
        PopularityConfig(half_life_days=0.0)
