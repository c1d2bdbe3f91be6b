"""The metric SQL: its text, and its answers on a log small enough to count by hand."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
import sqlglot

from experiments.contracts import Kind, MetricDefinition, Term, Unit
from experiments.errors import InvalidInput
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.left_out import left_out_query
from experiments.queries.moments import ArmTotals, Totals, add_rows, groups_of, moments_of, moments_query
from experiments.queries.query import Query
from experiments.queries.scope import Scope
from experiments.queries.terms import Terms
from tests.experiments.queries.events_table import COLUMNS, CREATE, ROWS, START, DuckDBWarehouse, row

GOLDEN = Path(__file__).parents[2] / "golden"
SCOPE = Scope(experiment="exp", unit=Unit.USER, start=START, end=START + timedelta(days=30), currency="CNY")
NONE_LATE = {"first": 1767229200000000, "received": 9, "late": 0}
METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
BY_KIND = {
    "mean": METRICS["revenue"],
    "proportion": replace(METRICS["conversion"], window_days=3),
    "ratio": METRICS["ctr"],
}


def duckdb_rows(query: Query, rows=ROWS):
    return DuckDBWarehouse(rows).query(query.sql, query.parameters)


def totals(metrics, scope=SCOPE, rows=ROWS) -> ArmTotals:
    result = Totals()
    add_rows(result, duckdb_rows(moments_query(scope, metrics), rows))
    return result.arms


def means(key: str, **changes):
    metric = replace(METRICS[key], **changes)
    group = groups_of([metric], Terms())[0]
    return {arm: moments_of(sums, group).mean for arm, sums in totals([metric]).items() if arm}


@pytest.mark.parametrize("kind", BY_KIND)
def test_the_sql_of_each_kind_is_the_golden_one(kind):
    path = GOLDEN / f"{kind}.sql"
    sql = moments_query(SCOPE, [BY_KIND[kind]]).sql + "\n"
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(sql)
    assert sql == path.read_text()


def test_ctr_counts_events_from_the_first_exposure_on():
    assert means("ctr") == {"control": (1 / 3, 4 / 3), "treatment": (2 / 3, 1.0)}


def test_conversion_is_a_share_of_the_exposed():
    assert means("conversion") == {"control": (1 / 3,), "treatment": (2 / 3,)}


def test_revenue_is_net_of_refunds_and_in_one_currency():
    assert means("revenue") == {"control": (200 / 3,), "treatment": (100.0,)}
    assert {arm: sums["foreign_money"] for arm, sums in totals([METRICS["revenue"]]).items()} == {
        "control": 0,
        "treatment": 1,
        None: 0,
    }


def test_a_window_ends_that_many_days_after_the_first_exposure():
    assert means("revenue", window_days=2)["control"] == (100.0,)
    assert means("satisfaction", window_days=9)["treatment"] == (0.0, 0.0)
    assert means("satisfaction", window_days=10)["treatment"] == (4 / 3, 1 / 3)


def test_units_in_two_arms_come_back_without_an_arm():
    assert {arm: sums["n"] for arm, sums in totals([METRICS["ctr"]]).items()} == {"control": 3, "treatment": 3, None: 1}


def test_an_end_is_not_included_and_may_be_absent():
    until = replace(SCOPE, end=START + timedelta(hours=2))
    assert {arm: sums["n"] for arm, sums in totals([METRICS["ctr"]], until).items()} == {"control": 1, "treatment": 1}
    assert totals([METRICS["ctr"]], replace(SCOPE, end=None)) == totals([METRICS["ctr"]])


def test_slices_of_the_users_add_up_to_the_whole():
    metrics = list(BUILTIN_METRICS)
    sliced = Totals()
    for low in range(0, 64, 16):
        add_rows(sliced, duckdb_rows(moments_query(SCOPE, metrics, buckets=(low, low + 16))))
    assert sliced.arms == totals(metrics)


def test_the_impression_is_a_unit_of_its_own():
    rows = (
        row("one", "Experiment Viewed", 1, arm="control", ranking="r1"),
        row("one", "Promotion Viewed", 1, ranking="r1"),
        row("one", "Experiment Viewed", 2, arm="treatment", ranking="r2"),
        row("one", "Promotion Viewed", 2, ranking="r2"),
        row("one", "Promotion Clicked", 2, ranking="r2"),
        row("one", "Experiment Viewed", 3, arm="control"),
    )
    scope = replace(SCOPE, unit=Unit.IMPRESSION)
    found = totals([METRICS["ctr"]], scope, rows)
    assert {arm: (sums["n"], sums["m0_0_sum"]) for arm, sums in found.items()} == {
        "control": (1, 0),
        "treatment": (1, 1),
    }
    assert duckdb_rows(left_out_query(scope), rows) == [
        {"outside_dates": 0, "without_unit": 1, "first": 1767229200000000, "received": 3, "late": 0}
    ]


def test_exposures_outside_the_dates_are_counted():
    assert duckdb_rows(left_out_query(SCOPE)) == [{"outside_dates": 1, "without_unit": 0, **NONE_LATE}]


def test_moments_are_exact_for_huge_amounts():
    rows = [row("a", "Experiment Viewed", 1, arm="control"), row("b", "Experiment Viewed", 1, arm="control")]
    rows += [
        row(user, "Order Completed", 2, value=10**15 + extra, currency="CNY") for user, extra in (("a", 0), ("b", 2))
    ]
    metric = METRICS["revenue"]
    moments = moments_of(totals([metric], rows=rows)["control"], groups_of([metric], Terms())[0])
    assert moments.mean == (10**15 + 1,)
    assert moments.comoment == ((2.0,),)


def test_values_never_reach_the_text():
    hostile = "x' OR 1=1 --"
    metric = MetricDefinition(key="k", name="k", kind=Kind.MEAN, numerator=(Term(event=hostile),))
    query = moments_query(replace(SCOPE, experiment=hostile), [metric])
    assert hostile not in query.sql
    assert hostile in query.parameters.values()


def test_a_metric_without_events_is_refused():
    metric = MetricDefinition(key="k", name="k", kind=Kind.MEAN, numerator=())
    with pytest.raises(InvalidInput, match="at least one event"):
        moments_query(SCOPE, [metric])


@pytest.mark.postgresql
def test_duckdb_and_postgresql_give_equal_results(postgresql_url):
    query = moments_query(SCOPE, list(BUILTIN_METRICS))
    connection = psycopg2.connect(postgresql_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(CREATE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            cursor.executemany(f"INSERT INTO events VALUES ({', '.join(['%s'] * len(COLUMNS))})", ROWS)
            cursor.execute(sqlglot.transpile(query.sql, read="duckdb", write="postgres")[0], dict(query.parameters))
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    finally:
        connection.close()
    there = Totals()
    add_rows(there, rows)
    assert there.arms == totals(list(BUILTIN_METRICS))
