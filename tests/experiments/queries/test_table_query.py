"""The SQL over an analyst's file: its text, and its answers on a file small enough to count by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from experiments.queries.query import Query
from experiments.queries.table import Group, Measure, Reading, Rule, Storage, TableColumns, quoted
from experiments.queries.table_aggregates import every_snapshot_query, snapshots_query
from experiments.queries.table_moments import (
    caps_query,
    checks_query,
    moments_query,
    shifts_query,
    sums_of,
    units_query,
    values_query,
)
from experiments.queries.table_scan import doubts, merged, scan_query, scannable
from experiments.queries.table_scan import sums_of as scanned_sums_of

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
    groups=(
        Group(columns=(0,)),
        Group(columns=(1,), cubes=True),
        Group(columns=(2, 3), covariates=(4,)),
        Group(columns=(4,)),
    ),
    segments=("town",),
    rules=(Rule(column="page", given="arm", pairs=(("a", "old"), ("b", "new"))),),
    currency="currency",
)
CAPPED = replace(
    COLUMNS,
    measures=(*COLUMNS.measures, Measure(column="paid", reading=Reading.MONEY, capped=True)),
    groups=(Group(columns=(5,)), Group(columns=(1,))),
)
# one row per unit, and a file that says what its columns are
TYPED = replace(
    CAPPED,
    unit="",
    rules=(),
    currency="",
    groups=(*COLUMNS.groups, Group(columns=(5,))),
    storages={
        "bought": Storage.INTEGER,
        "paid": Storage.DOUBLE,
        "clicks": Storage.INTEGER,
        "views": Storage.INTEGER,
        "age": Storage.DOUBLE,
    },
)
NAMES = ("user", "arm", "page", "bought", "paid", "clicks", "views", "age", "currency", "town")
ROWS = [
    ("u1", "a", "old", "1", "0.10", "1", "2", "30", "EUR", "x"),
    ("u1", "a", "old", "0", "0.20", "2", "4", "30", "EUR", "x"),
    ("u2", "a", "old", "0", None, "", "1", "40", None, " "),
    ("u3", "b", "new", "true", "5", "1", "1", "50", "EUR", "x"),
    ("u4", "b", "old", "1", "7", "1", "1", "60", "EUR", "y"),
]
SHIFTS = {0: 0, 1: 30, 2: 2.0, 3: 3.0, 4: 45.0, 5: 30}


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE file ({', '.join(f'{quoted(name)} VARCHAR' for name in NAMES)})")
        connection.executemany(f"INSERT INTO file VALUES ({', '.join('?' * len(NAMES))})", ROWS)
        yield connection


@pytest.fixture
def ask(connection):
    def ask(query: Query) -> list[dict[str, object]]:
        cursor = connection.execute(query.sql, dict(query.parameters))
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    return ask


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("table_checks", checks_query(COLUMNS, 50)),
        ("table_units", units_query(COLUMNS)),
        ("table_moments", moments_query(COLUMNS, SHIFTS, {})),
        ("table_scan", scan_query(TYPED, {5: 500}, wide=True)),
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
    ask(units_query(COLUMNS))
    rows = ask(moments_query(COLUMNS, SHIFTS, {}))
    a, b, none = sorted((row for row in rows if row["dimension"] == -1), key=lambda row: str(row["arm"] or "z"))
    assert [(row["arm"], row["n"], row["gone"]) for row in (a, b, none)] == [("a", 2, 0), ("b", 1, 0), (None, 1, 1)]

    def moments(row, position):
        return sums_of(row, COLUMNS, position, shifts=SHIFTS).moments()

    assert moments(a, 0).mean == (0.5,)
    assert (moments(a, 1).n, moments(a, 1).mean) == (1, (30.0,))
    assert (moments(a, 2).n, moments(a, 2).mean) == (1, (3.0, 6.0, 30.0))
    before = moments(a, 3)
    assert (before.n, before.mean, before.comoment) == (2, (35.0,), ((50.0,),))
    assert a["c4"] == a["e0"] == 0
    town = {(row["segment"], row["arm"]): row["n"] for row in rows if row["dimension"] == 0}
    assert town == {("x", "a"): 1, (None, "a"): 1, ("x", "b"): 1, (None, None): 1}


def test_shifts_caps_and_values_are_those_of_units(ask):
    ask(units_query(CAPPED))
    (caps,) = ask(caps_query(CAPPED, {1: 0.5}))
    assert caps == {"v1": 30}
    (shifts,) = ask(shifts_query(CAPPED, {5: 30}))
    assert (shifts["s1"], shifts["s5"]) == (265, 30)
    assert ask(values_query(CAPPED, 1)) == [
        {"arm": "a", "value": 30.0, "n": 1},
        {"arm": "b", "value": 500.0, "n": 1},
    ]
    rows = ask(moments_query(CAPPED, SHIFTS, {5: 30}))
    (b,) = (row for row in rows if row["dimension"] == -1 and row["arm"] == "b")
    assert [sums_of(b, CAPPED, position, shifts=SHIFTS).total for position in (0, 1)] == [30, 500]


def test_a_scan_of_typed_columns_adds_up_what_the_file_says(connection, ask):
    connection.execute("ALTER TABLE file RENAME TO texts")
    connection.execute(
        "CREATE TABLE file AS SELECT arm, town, CAST(bought AS BOOLEAN)::INTEGER AS bought, age::DOUBLE AS age, "
        "COALESCE(paid, '0')::DOUBLE AS paid, TRY_CAST(clicks AS INTEGER) AS clicks, views::INTEGER AS views "
        "FROM texts"
    )
    assert scannable(TYPED)
    rows = merged(ask(scan_query(TYPED, {5: 500}, wide=False)))
    assert doubts(TYPED, rows)  # one row has no clicks
    a, b = sorted((row for row in rows if row["dimension"] == -1), key=lambda row: row["arm"])
    assert [row["n"] for row in (a, b)] == [3, 2]
    assert [scanned_sums_of(row, TYPED, 0).total for row in (a, b)] == [1, 2]
    assert [scanned_sums_of(row, TYPED, 1).total for row in (a, b)] == [30, 1200]
    assert [scanned_sums_of(row, TYPED, 4).total for row in (a, b)] == [30, 1000]
    assert scanned_sums_of(b, TYPED, 2).products == ((2, 2, 110), (2, 2, 110), (110, 110, 6100))
    towns = {(row["segment"], row["arm"]): row["n"] for row in rows if row["dimension"] == 0}
    assert towns == {("x", "a"): 2, (None, "a"): 1, ("x", "b"): 1, ("y", "b"): 1}


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "user"},
        {"currency": "currency"},
        {"rules": COLUMNS.rules},
        {"storages": {}},
        {"storages": {**TYPED.storages, "paid": Storage.SINGLE}},
        {"storages": {**TYPED.storages, "age": Storage.LOGICAL}},
    ],
)
def test_what_the_types_do_not_say_is_not_scanned(change):
    assert not scannable(replace(TYPED, **change))


def test_every_snapshot_is_a_row(connection, ask):
    names = ("id", "day", *(f"{part}_{side}" for part in ("count", "mean", "variance") for side in "ct"))
    connection.execute(f"CREATE OR REPLACE TABLE file ({', '.join(f'{name} VARCHAR' for name in names)})")
    connection.executemany("INSERT INTO file VALUES (?, ?, '1', '1', '1', '1', '1', '1')", [("x", "1"), ("x", "2")])
    found = ask(every_snapshot_query(("id",), "day"))
    assert [(row["row"], row["g0"], row["snapshot"]) for row in found] == [(1, "x", "1"), (2, "x", "2")]
