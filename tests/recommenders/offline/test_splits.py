"""A split gives to learn what was known, and to find what came after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommenders.contracts import Interactions, Items, Kind
from recommenders.errors import InvalidData
from recommenders.offline.splits import DAY, leave_last_out, named_split, temporal


def log(events: list[tuple[int, int, int]], *, users: int = 4, items: int = 5, kinds: list[int] | None = None):
    who, what, when = zip(*events, strict=True)
    return Interactions.build(
        users=who,
        items=what,
        times=when,
        kinds=kinds,
        catalogue=Items(ids=tuple("abcdefgh"[:items])),
        user_ids=[f"u{i}" for i in range(users)],
    )


EVENTS = [(0, 0, 1), (0, 1, 5), (0, 2, 9), (1, 3, 2), (1, 0, 8), (2, 4, 3)]


def rows(data: Interactions) -> list[tuple[int, int, int]]:
    return list(zip(data.users.tolist(), data.items.tolist(), data.times.tolist(), strict=True))


def test_the_last_event_of_each_user_is_the_test_and_one_event_alone_cannot_be_evaluated() -> None:
    split = leave_last_out(log(EVENTS))
    assert rows(split.test) == [(0, 2, 9), (1, 0, 8)]
    assert rows(split.train) == [(0, 0, 1), (0, 1, 5), (1, 3, 2), (2, 4, 3)]
    assert split.history is split.train
    assert split.users.tolist() == [0, 1]
    assert split.now.tolist() == [9, 8]
    assert split.skipped == 1


def test_splitting_the_training_again_gives_the_event_before_the_last_for_validation() -> None:
    split = leave_last_out(leave_last_out(log(EVENTS)).train)
    assert rows(split.test) == [(0, 1, 5)]
    assert rows(split.train) == [(0, 0, 1), (1, 3, 2), (2, 4, 3)]


def test_events_that_are_not_learnt_from_stay_in_the_history() -> None:
    split = leave_last_out(log(EVENTS), unlearnt=1)
    assert rows(split.train) == [(0, 0, 1), (2, 4, 3)]
    assert rows(split.history) == [(0, 0, 1), (0, 1, 5), (1, 3, 2), (2, 4, 3)]
    batch = split.batch(0, 2)
    assert batch.users.tolist() == [0, -1]  # nothing was learnt of the second
    assert batch.items.tolist() == [0, 1, 3]


def test_only_events_of_the_kinds_asked_for_are_tested_and_what_follows_them_is_not_used() -> None:
    kinds = [Kind.VIEW, Kind.PURCHASE, Kind.VIEW, Kind.PURCHASE, Kind.VIEW, Kind.VIEW]
    split = leave_last_out(log(EVENTS, kinds=kinds), kinds=(Kind.PURCHASE,))
    assert rows(split.test) == [(0, 1, 5)]
    assert (0, 2, 9) not in rows(split.train)
    assert split.skipped == 2
    assert split.protocol["kinds"] == "purchase"


def test_a_temporal_split_has_the_past_to_learn_and_newcomers_to_serve() -> None:
    split = temporal(log([*EVENTS, (3, 1, 8)]), 8)
    assert rows(split.train) == [(0, 0, 1), (0, 1, 5), (1, 3, 2), (2, 4, 3)]
    assert rows(split.test) == [(0, 2, 9), (1, 0, 8), (3, 1, 8)]
    assert split.users.tolist() == [0, 1, 3]
    assert split.batch(0, 3).users.tolist() == [0, 1, -1]
    assert split.now.tolist() == [8, 8, 8]
    assert split.skipped == 1


def test_a_temporal_split_can_end() -> None:
    assert rows(temporal(log(EVENTS), 5, until=9).test) == [(0, 1, 5), (1, 0, 8)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(0, 10),
)
def test_nothing_of_the_test_is_learnt_whatever_the_data(events: list[tuple[int, int, int]], moment: int) -> None:
    data = log(events)
    for make in (leave_last_out, lambda each: temporal(each, moment)):
        try:
            split = make(data)
        except InvalidData:
            continue
        assert len(split.train) + len(split.test) == len(data)
        assert sorted(rows(split.train) + rows(split.test)) == sorted(rows(data))
        assert set(split.test.users.tolist()) == set(split.users.tolist())
        for user in split.users.tolist():
            known = split.train.times[split.train.users == user]
            assert known.max(initial=-1) <= split.test.times[split.test.users == user].min()
        assert split.skipped + split.users.size == np.unique(data.users).size


def test_a_split_can_be_named_by_a_day_a_number_or_the_days_before_the_end() -> None:
    data = log([(0, 0, 0), (0, 1, 40 * DAY), (0, 2, 70 * DAY)])
    assert named_split("temporal:1970-02-09")(data).protocol["moment"] == 39 * DAY
    assert named_split("1970-02-09")(data).protocol["moment"] == 39 * DAY
    assert named_split("temporal:86400")(data).protocol["moment"] == DAY
    assert named_split("last-days:28")(data).protocol["moment"] == 42 * DAY
    assert named_split("leave-last-out")(data).protocol == {"split": "leave-last-out"}
    assert named_split("leave-last-out:1")(data).protocol == {"split": "leave-last-out", "unlearnt": 1}


@pytest.mark.parametrize(
    "name",
    ["random", "temporal:tomorrow", "last-days:0", "last-days:x", "temporal:", "last-out:1", "leave-last-out:x", ""],
)
def test_a_name_that_means_no_split_is_refused(name: str) -> None:
    with pytest.raises(InvalidData, match="split"):
        named_split(name)


def test_nobody_to_evaluate_nothing_to_learn_and_a_negative_count_are_said() -> None:
    single = log([(0, 0, 1), (1, 1, 2)])
    with pytest.raises(InvalidData, match="none of 2 users"):
        leave_last_out(single)
    with pytest.raises(InvalidData, match="nothing to learn from, the first event is at 1"):
        temporal(single, 1)
    with pytest.raises(InvalidData, match="none of 2 users"):
        temporal(single, 3)
    with pytest.raises(InvalidData, match="unlearnt"):
        leave_last_out(single, unlearnt=-1)
