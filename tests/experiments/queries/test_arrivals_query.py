"""The traffic of the last days: the text of the query, and its answers on a log small enough to count by hand."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
import sqlglot

from experiments.contracts import Unit
from experiments.queries.arrivals import arrivals_query, dates_query
from experiments.queries.query import Query
from tests.experiments.queries.events_table import COLUMNS, CREATE, ROWS, START, DuckDBWarehouse, Row, row

GOLDEN = Path(__file__).parents[2] / "golden"
END = START + timedelta(days=28)


def query(*, unit: Unit = Unit.USER, start: datetime = START, end: datetime = END) -> Query:
    return arrivals_query(unit=unit, start=start, end=end)


def answer(rows: tuple[Row, ...] = ROWS, **options: object) -> dict[int, int]:
    asked = query(**options)
    return {found["day"]: found["units"] for found in DuckDBWarehouse(rows).query(asked.sql, asked.parameters)}


def test_the_sql_is_the_golden_one():
    path = GOLDEN / "arrivals.sql"
    sql = query().sql + "\n"
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(sql)
    assert sql == path.read_text()


def test_a_unit_comes_once_with_its_first_event_of_any_name():
    assert answer() == {0: 9}  # everybody but ivy, who came before the start
    rows = (
        row("ann", "Promotion Viewed", -1),
        row("ann", "Promotion Viewed", 50),
        row("bob", "Anything", 30),
        row("bob", "Promotion Viewed", 80),
        row("cat", "Promotion Clicked", 49),
    )
    assert answer(rows) == {1: 1, 2: 2}


def test_days_have_24_hours_from_the_start_and_begin_on_the_microsecond():
    tick = 1e-6 / 3600
    hours = (0, 24 - tick, 24, 48 - tick, 48, 27 * 24 - tick, 27 * 24, 28 * 24 - tick, 28 * 24)
    rows = tuple(row(f"u{number}", "Promotion Viewed", hour) for number, hour in enumerate(hours))
    assert answer(rows) == {0: 2, 1: 2, 2: 1, 26: 1, 27: 2}


def test_days_are_counted_from_a_start_at_any_time_of_day():
    start = START + timedelta(hours=7, microseconds=3)
    rows = (row("ann", "Promotion Viewed", 7 + 24), row("bob", "Promotion Viewed", 7.01 + 24))
    assert answer(rows, start=start, end=start + timedelta(days=2)) == {0: 1, 1: 1}


def test_the_impression_is_a_unit_of_its_own():
    rows = (
        row("one", "Promotion Viewed", 1, ranking="r1"),
        row("one", "Promotion Viewed", 2, ranking="r2"),
        row("one", "Promotion Clicked", 30, ranking="r2"),
        row("one", "Promotion Clicked", 30),
    )
    assert answer(rows, unit=Unit.IMPRESSION) == {0: 2}
    assert answer(rows) == {0: 1}


def test_the_dates_are_those_of_the_first_and_the_last_event():
    (found,) = DuckDBWarehouse().query(dates_query().sql, {})
    first, last = (datetime.fromtimestamp(float(found[name]), UTC) for name in ("first", "last"))
    assert (first, last) == (START - timedelta(hours=5), START + timedelta(hours=2 + 9 * 24))
    empty = DuckDBWarehouse(ROWS[:1])
    empty.connection.execute("DELETE FROM events")
    assert empty.query(dates_query().sql, {}) == [{"first": None, "last": None}]


@pytest.mark.postgresql
def test_duckdb_and_postgresql_give_equal_rows(postgresql_url):
    rows = (*ROWS, row("late", "Promotion Viewed", 24), row("later", "Promotion Viewed", 24 * 20.3))
    connection = psycopg2.connect(postgresql_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(CREATE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            cursor.executemany(f"INSERT INTO events VALUES ({', '.join(['%s'] * len(COLUMNS))})", rows)
            for asked in (query(), dates_query()):
                here = [tuple(one.values()) for one in DuckDBWarehouse(rows).query(asked.sql, asked.parameters)]
                cursor.execute(sqlglot.transpile(asked.sql, read="duckdb", write="postgres")[0], dict(asked.parameters))
                assert [tuple(map(float, one)) for one in cursor.fetchall()] == here
    finally:
        connection.close()
