"""The last acts of users on disk: found, in order, and no more than are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders.contracts import Kind
from recommenders.profiles.acts import create_acts
from recommenders.profiles.histories import LONGEST, Histories, write_histories

START = datetime(2026, 1, 1, tzinfo=UTC)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


def written(folder, rows):
    """The histories of (user, item) pairs, a second apart."""
    folder.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE events (message_id VARCHAR, user_id VARCHAR, event VARCHAR, timestamp TIMESTAMPTZ,"
            " item_id VARCHAR, properties VARCHAR)"
        )
        for number, (user, item) in enumerate(rows):
            at = START + timedelta(seconds=number)
            connection.execute(
                "INSERT INTO events VALUES (?, ?, 'Product Viewed', ?, ?, '{}')", [f"{number:05}", user, at, item]
            )
        create_acts(connection, kinds={"Product Viewed": Kind.VIEW}, until=START + timedelta(days=1))
        write_histories(connection, folder)
    return Histories(folder)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(IDS, IDS), max_size=12))
def test_every_user_gets_back_what_they_did_in_order(tmp_path_factory, rows):
    found = written(tmp_path_factory.mktemp("histories"), rows)
    expected: dict[str, list[str]] = {}
    for user, item in rows:
        expected.setdefault(user, []).append(item)
    assert len(found) == len(expected)
    for user, items in expected.items():
        assert found.find(user).items == tuple(items)
    assert found.find("somebody else") is None


def test_times_are_whole_seconds_and_kinds_those_of_the_events(tmp_path):
    history = written(tmp_path / "h", [("a", "x"), ("b", "y"), ("a", "z")]).find("a")
    assert history.times == (int(START.timestamp()), int(START.timestamp()) + 2)
    assert history.kinds == (Kind.VIEW, Kind.VIEW)


def test_only_the_last_acts_are_kept(tmp_path):
    history = written(tmp_path / "h", [("a", f"i{n}") for n in range(LONGEST + 7)]).find("a")
    assert history.items == tuple(f"i{n}" for n in range(7, LONGEST + 7))


def test_a_folder_without_histories_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Histories(tmp_path)
