"""The figures of profiles, computed by hand from a few events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

from recommenders.contracts import Items, Kind
from recommenders.errors import InvalidData
from recommenders.profiles.acts import create_acts
from recommenders.profiles.computation import ITEMS, USERS, compute_profiles, count_events, read_summary
from recommenders.profiles.figures import SEGMENTS, USER_FIGURES

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)  # a Friday
KINDS = {"Product Viewed": Kind.VIEW, "Promotion Clicked": Kind.CLICK, "Order Completed": Kind.PURCHASE}
CATALOGUE = Items(
    ids=("i1", "i2", "spring"),
    texts=("one", "two", "Spring sale"),
    categories=np.array([0, 0, 1], dtype=np.int32),
    category_names=("books", "flash sale"),
    prices=np.array([1.0, 2.0, np.nan], dtype=np.float32),
)
BASKET = (
    '{"products": [{"product_id": "i2"}, {"product_id": "i3", "category": "toys", "name": "Ball", "price": "9.5"}]}'
)
# (user, event, days before now, item, campaign, value, currency, properties)
EVENTS = (
    ("a", "Product Viewed", 60, "i2", None, None, None, "{}"),
    ("a", "Product Viewed", 30, "i1", None, None, None, "{}"),
    ("a", "Order Completed", 10, "i1", None, 1000, "CNY", '{"coupon": "X"}'),
    ("a", "Order Completed", 3, None, None, 3000, "CNY", BASKET),
    ("a", "Order Refunded", 2, None, None, 500, "CNY", "{}"),
    ("b", "Promotion Viewed", 2, "i1", None, None, None, "{}"),
    ("b", "Promotion Joined", 2, None, "spring", None, None, "{}"),
    ("b", "Coupon Redeemed", 2, None, "spring", None, None, "{}"),
    ("b", "Promotion Joined", 1, None, "other", None, None, '{"campaign_type": "coupon"}'),
    ("c", "Order Completed", 1, "i3", None, 700, "USD", '{"discount": "0"}'),
    ("d", "Order Completed", 5, None, None, 100, "CNY", "{}"),
    ("d", "Coupon Redeemed", 5, None, None, None, None, "{}"),
    ("d", "Product Viewed", 0, "i1", None, None, None, "{}"),  # at the moment itself: too late
)


@pytest.fixture
def log():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE events (message_id VARCHAR, user_id VARCHAR, event VARCHAR, timestamp TIMESTAMPTZ,"
        " item_id VARCHAR, campaign_id VARCHAR, value BIGINT, currency VARCHAR, properties VARCHAR)"
    )
    for number, (user, event, days, *rest) in enumerate(EVENTS):
        row = [f"m{number:02}", user, event, NOW - timedelta(days=days), *rest]
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    yield connection
    connection.close()


def rows_of(path, key):
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM '{path}'")
        names = [one[0] for one in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row[key]: row for row in rows}


@pytest.fixture
def summary(log, tmp_path):
    return compute_profiles(log, tmp_path, kinds=KINDS, items=CATALOGUE, until=NOW)


@pytest.fixture
def users(summary, tmp_path):
    return rows_of(tmp_path / USERS, "user_id")


@pytest.fixture
def items(summary, tmp_path):
    return rows_of(tmp_path / ITEMS, "item_id")


def test_acts_money_and_rhythm_of_a_user_are_those_computed_by_hand(users):
    a = users["a"]
    assert (a["events"], a["views"], a["purchases"], a["orders"]) == (5, 2, 3, 2)
    assert a["spend"] == 1000 + 3000 - 500
    assert a["spend_per_month"] == 3500  # both orders in April
    assert a["median_order"] == 2000
    assert a["deal_share"] == 0.5
    assert a["order_gap_days"] == 7
    assert a["days_since_last"] == 3
    assert a["tenure_days"] == 60
    # 21 April was a Tuesday, 28 April too
    assert (a["favourite_weekday"], a["favourite_hour"]) == (2, 12)


def test_interest_halves_every_thirty_days(users):
    weights = {"books": 0.25 + 0.5 + 0.5 ** (10 / 30) + 0.5 ** (3 / 30), "toys": 0.5 ** (3 / 30)}
    expected = [{"name": name, "share": round(weight / sum(weights.values()), 4)} for name, weight in weights.items()]
    assert users["a"]["interests"] == expected


def test_the_price_level_compares_items_within_their_category(users):
    # i1 is the cheaper of two, i2 the dearer; i3 has nothing to be compared with
    assert users["a"]["price_level"] == 0.5


def test_a_campaign_that_is_joined_and_redeemed_on_one_day_counts_once_and_has_the_type_the_catalogue_gives_it(users):
    assert users["b"]["campaigns_joined"] == 2
    assert users["b"]["campaigns"] == [{"name": "coupon", "times": 1}, {"name": "flash sale", "times": 1}]


def test_money_in_another_currency_is_left_out_rather_than_added(summary, users):
    assert summary.currency == "CNY"
    c = users["c"]
    assert (c["orders"], c["spend"], c["spend_per_month"], c["median_order"]) == (1, 0, None, None)
    assert c["segment_purchasing_power"] == "none"


def test_a_redeemed_coupon_makes_the_orders_of_its_day_orders_with_money_off(users):
    assert users["d"]["deal_share"] == 1
    assert users["c"]["deal_share"] == 0  # a discount of 0 is none


def test_what_happens_at_the_moment_or_later_does_not_count(users):
    assert users["d"]["views"] == 0


def test_segments_follow_their_rules_and_are_none_without_what_they_need(users):
    names = [f"segment_{one.key}" for one in SEGMENTS]
    found = {user: tuple(row[name] for name in names) for user, row in users.items()}
    assert found["a"] == ("highest quarter", "middle", "weekly", "books", "none")
    assert found["b"] == ("none", "none", "none", "none", "coupon")
    assert found["d"] == ("lowest quarter", "high", "one order", "none", "none")


def test_an_item_has_what_the_catalogue_says_and_where_it_is_silent_what_events_say(items):
    assert (items["i1"]["text"], items["i1"]["category"], items["i1"]["price"]) == ("one", "books", 1.0)
    assert (items["i3"]["text"], items["i3"]["category"], items["i3"]["price"]) == ("Ball", "toys", 9.5)


def test_counts_of_an_item_are_those_computed_by_hand(items):
    one = items["i1"]
    assert (one["impressions"], one["views"], one["purchases"], one["buyers"], one["recent_buyers"]) == (1, 1, 1, 1, 1)
    assert one["promotion_share"] == 1.0
    assert one["price_band"] == "lowest quarter"
    assert one["trend"] is None  # nobody bought it in the 28 days before
    assert items["i3"]["buyers"] == 2


def test_the_summary_says_how_many_there_are_and_can_be_read_again(summary, tmp_path):
    assert (summary.users, summary.events) == (4, len(EVENTS) - 1)
    assert read_summary(tmp_path) == summary
    assert dict(summary.shares[2].users) == {"one order": 2, "weekly": 1, "none": 1}
    orders = next(one for one in summary.distributions if one.figure == "orders")
    assert (orders.users, sum(orders.bins)) == (4, 4)


def test_every_figure_and_segment_that_is_defined_has_its_column(users):
    assert {one.key for one in USER_FIGURES} | {f"segment_{one.key}" for one in SEGMENTS} <= set(users["a"])


def test_counting_events_agrees_with_what_a_version_saw(log, summary):
    assert count_events(log, NOW) == summary.events


def test_an_empty_log_gives_a_version_without_users(log, tmp_path):
    log.execute("DELETE FROM events")
    summary = compute_profiles(log, tmp_path, kinds=KINDS, items=Items(ids=()), until=NOW)
    assert (summary.users, summary.items, summary.distributions) == (0, 0, ())


def test_a_moment_without_a_time_zone_is_refused(log):
    with pytest.raises(InvalidData, match=r"until.*must have a time zone"):
        create_acts(log, kinds=KINDS, until=datetime(2026, 5, 1))


def test_the_same_events_give_the_same_files(log, summary, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    assert compute_profiles(log, again, kinds=KINDS, items=CATALOGUE, until=NOW) == summary
    assert rows_of(again / USERS, "user_id") == rows_of(tmp_path / USERS, "user_id")
