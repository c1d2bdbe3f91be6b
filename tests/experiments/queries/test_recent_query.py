"""The units of the A/A self-check: the text of the query, and its answers on a log small enough to count by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import md5
from pathlib import Path

import psycopg2
import pytest
import sqlglot

from experiments.contracts import Kind, MetricDefinition, Term, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.query import Query
from experiments.queries.recent import currency_query, recent_groups, recent_query
from tests.experiments.queries.events_table import COLUMNS, CREATE, ROWS, START, DuckDBWarehouse, row

GOLDEN = Path(__file__).parents[2] / "golden"
METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
END = START + timedelta(days=28)
ALL = [*BUILTIN_METRICS, replace(METRICS["revenue"], key="early", window_days=2, covariate_days=1)]


def query(metrics, *, unit=Unit.USER, start: datetime = START, end: datetime = END, limit: int = 100) -> Query:
    return recent_query(metrics, unit=unit, start=start, end=end, currency="CNY", limit=limit)


def answer(metrics, rows=ROWS, **options) -> list[tuple[object, ...]]:
    asked = query(metrics, **options)
    return [tuple(found.values()) for found in DuckDBWarehouse(rows).query(asked.sql, asked.parameters)]


def in_order(by_user: dict[str, tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [by_user[user] for user in sorted(by_user, key=lambda user: md5(user.encode()).hexdigest())]


def test_the_sql_is_the_golden_one():
    path = GOLDEN / "recent.sql"
    metrics = [METRICS["ctr"], replace(METRICS["conversion"], window_days=3), ALL[-1]]
    sql = query(metrics).sql + "\n"
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(sql)
    assert sql == path.read_text()


def test_every_unit_seen_in_the_dates_is_one_row_in_the_order_of_its_hash():
    # clicks and views; unlike in an experiment ann's first click counts, and so do gil, hal and kim
    assert answer([METRICS["ctr"]]) == in_order(
        {
            "ann": (2, 3),
            "bob": (0, 1),
            "cat": (0, 0),
            "dan": (2, 2),
            "eve": (0, 1),
            "fay": (0, 0),
            "gil": (0, 0),
            "hal": (0, 1),
            "kim": (0, 0),
        }
    )


def test_revenue_is_net_of_refunds_and_in_one_currency():
    found = answer([METRICS["revenue"]], end=START + timedelta(hours=7))
    assert sorted(found, reverse=True)[:3] == [(300,), (300,), (0,)]
    assert sorted(answer([METRICS["revenue"]]), reverse=True)[:3] == [(300,), (200,), (0,)]


def test_the_limit_takes_the_same_units_whatever_else_is_there():
    few = answer([METRICS["ctr"]], limit=4)
    assert few == answer([METRICS["ctr"]])[:4]
    without = [one for one in ROWS if one[0] != "hal"]
    assert answer([METRICS["ctr"]], rows=without, limit=8) == [
        one for user, one in zip(users_in_order(), answer([METRICS["ctr"]]), strict=True) if user != "hal"
    ]


def users_in_order() -> list[str]:
    users = {one[0] for one in ROWS if one[2] >= START}
    return sorted(users, key=lambda user: md5(user.encode()).hexdigest())


def test_earlier_behaviour_is_counted_up_to_the_units_first_event_and_only_for_those_seen_since():
    rows = (
        row("ann", "Promotion Clicked", -47),
        row("ann", "Promotion Clicked", -20),
        row("ann", "Promotion Clicked", -2),
        row("ann", "Promotion Viewed", 2),
        row("ann", "Promotion Clicked", 3),
        row("bob", "Promotion Clicked", -2),
        row("cat", "Promotion Viewed", 30),
    )
    metric = replace(METRICS["participations"], numerator=(Term(event="Promotion Clicked"),), covariate_days=1)
    # ann's day before hour 2 holds two of her clicks; bob was not seen in the dates; cat has no earlier events
    assert answer([metric], rows=rows) == in_order({"ann": (1, 2), "cat": (0, 0)})


def test_a_window_leaves_out_units_that_had_no_time_to_respond():
    rows = (
        row("ann", "Promotion Joined", 0),
        row("ann", "Promotion Joined", 71),
        row("ann", "Promotion Joined", 72),
        row("bob", "Promotion Joined", 24 * 25),
        row("cat", "Promotion Joined", 24 * 25 + 1),
    )
    metric = replace(METRICS["participations"], window_days=3)
    assert answer([metric], rows=rows) == in_order({"ann": (2,), "bob": (1,), "cat": (None,)})


def test_the_impression_is_a_unit_of_its_own():
    rows = (
        row("one", "Promotion Viewed", 1, ranking="r1"),
        row("one", "Promotion Viewed", 2, ranking="r2"),
        row("one", "Promotion Clicked", 2, ranking="r2"),
        row("one", "Promotion Clicked", 3),
    )
    assert sorted(answer([METRICS["ctr"]], rows=rows, unit=Unit.IMPRESSION)) == [(0, 1), (1, 1)]


def test_the_columns_are_those_that_are_announced():
    asked = query(ALL)
    found = DuckDBWarehouse().query(asked.sql, asked.parameters)
    assert list(found[0]) == [name for group in recent_groups(ALL) for name in group.names]


def test_the_currency_is_that_of_most_events():
    asked = currency_query(start=START, end=END)
    assert DuckDBWarehouse().query(asked.sql, asked.parameters) == [{"currency": "CNY"}]
    assert DuckDBWarehouse(ROWS[:3]).query(asked.sql, asked.parameters) == []


def test_values_never_reach_the_text():
    hostile = "x' OR 1=1 --"
    metric = MetricDefinition(key="k", name="k", kind=Kind.MEAN, numerator=(Term(event=hostile),))
    asked = query([metric])
    assert hostile not in asked.sql
    assert hostile in asked.parameters.values()


@pytest.mark.postgresql
def test_duckdb_and_postgresql_give_equal_rows(postgresql_url):
    asked = query(ALL)
    connection = psycopg2.connect(postgresql_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(CREATE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            cursor.executemany(f"INSERT INTO events VALUES ({', '.join(['%s'] * len(COLUMNS))})", ROWS)
            cursor.execute(sqlglot.transpile(asked.sql, read="duckdb", write="postgres")[0], dict(asked.parameters))
            there = cursor.fetchall()
    finally:
        connection.close()
    assert there == answer(ALL)
