"""The SQL over an analyst's file: its text, and its answers on a file small enough to count by hand."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from experiments.queries.query import Query
from experiments.queries.table import (
    Measure,
    Reading,
    Rule,
    TableColumns,
    checks_query,
    moments_of,
    moments_query,
    quoted,
)
from experiments.queries.table_aggregates import snapshots_query

GOLDEN = Path(__file__).parents[2] / "golden"
COLUMNS = TableColumns(
    arm="arm",
    unit="user",
    measures=(
        Measure(column="bought", reading=Reading.BINARY),
        Measure(column="paid", reading=Reading.MONEY),
        Measure(column="clicks", reading=Reading.NUMBER),
        Measure(column="views", reading=Reading.NUMBER),
        Measure(column="age", reading=Reading.COVARIATE),
    ),
    groups=((0,), (1,), (2, 3), (4,)),
    rules=(Rule(column="page", given="arm", pairs=(("a", "old"), ("b", "new"))),),
    currency="currency",
)
ROWS = [
    ("u1", "a", "old", "1", "0.10", "1", "2", "30", "EUR"),
    ("u1", "a", "old", "0", "0.20", "2", "4", "30", "EUR"),
    ("u2", "a", "old", "0", None, "", "1", "40", None),
    ("u3", "b", "new", "true", "5", "1", "1", "50", "EUR"),
    ("u4", "b", "old", "1", "7", "1", "1", "60", "EUR"),
]


@pytest.fixture
def ask():
    with duckdb.connect() as connection:
        names = ("user", "arm", "page", "bought", "paid", "clicks", "views", "age", "currency")
        connection.execute(f"CREATE TABLE file ({', '.join(f'{quoted(name)} VARCHAR' for name in names)})")
        connection.executemany(f"INSERT INTO file VALUES ({', '.join('?' * len(names))})", ROWS)

        def ask(query: Query) -> list[dict[str, object]]:
            cursor = connection.execute(query.sql, dict(query.parameters))
            columns = [column[0] for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

        yield ask


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("table_checks", checks_query(COLUMNS, 50)),
        ("table_moments", moments_query(COLUMNS)),
        ("table_snapshots", snapshots_query(("id",), "day")),
    ],
)
def test_the_text_is_the_one_that_was_reviewed(name, query):
    path = GOLDEN / f"{name}.sql"
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(query.sql + "\n")
    assert path.read_text() == query.sql + "\n"


def test_checks_count_by_arm(ask):
    a, b = ask(checks_query(COLUMNS, 50))
    assert (a["arm"], a["rows"], a["unexpected"], a["fits_0_0"], a["fits_0_1"]) == ("a", 3, 0, 3, 0)
    assert (b["arm"], b["rows"], b["unexpected"], b["fits_0_0"], b["fits_0_1"]) == ("b", 2, 1, 0, 1)
    assert [a[f"bad_{i}"] for i in range(5)] == [0] * 5


def test_moments_by_arm_are_those_counted_by_hand(ask):
    a, b, none = ask(moments_query(COLUMNS))
    assert [(row["arm"], row["n"], row["gone"]) for row in (a, b, none)] == [("a", 2, 0), ("b", 1, 0), (None, 1, 1)]
    assert moments_of(a, COLUMNS, 0).mean == (0.5,)
    money = moments_of(a, COLUMNS, 1)
    assert (money.n, money.mean) == (1, (30.0,))
    ratio = moments_of(a, COLUMNS, 2)
    assert (ratio.n, ratio.mean) == (1, (3.0, 6.0))
    before = moments_of(a, COLUMNS, 3)
    assert (before.n, before.mean, before.comoment) == (2, (35.0,), ((50.0,),))
    assert a["v4_changes"] == 0
