"""The metric SQL: its text, and its answers on a log small enough to count by hand."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
import sqlglot
from scipy import stats

from experiments.contracts import Kind, MetricDefinition, Term, Unit
from experiments.errors import InvalidInput
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.left_out import left_out_query
from experiments.queries.moments import (
    ArmTotals,
    Totals,
    add_rows,
    groups_of,
    moments_of,
    moments_query,
    skew_of,
    units_of,
)
from experiments.queries.query import Query
from experiments.queries.scope import Scope
from experiments.queries.terms import Terms
from experiments.queries.values import values_query
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
ADJUSTED = replace(METRICS["ctr"], covariate_days=7)
CAPPED = replace(METRICS["revenue"], key="capped", window_days=3, covariate_days=2)
RETENTION = replace(METRICS["retention"], after_days=2, window_days=None)
ALL = [*BUILTIN_METRICS, ADJUSTED, CAPPED, RETENTION]


def duckdb_rows(query: Query, rows=ROWS):
    return DuckDBWarehouse(rows).query(query.sql, query.parameters)


def totals(metrics, scope=SCOPE, rows=ROWS) -> ArmTotals:
    return everything(metrics, scope, rows).arms


def everything(metrics, scope=SCOPE, rows=ROWS, **options) -> Totals:
    result = Totals()
    add_rows(result, duckdb_rows(moments_query(scope, metrics, **options), rows))
    return result


def one_arm(metric, rows, scope=SCOPE, **options) -> dict[str, tuple[int, tuple[float, ...]]]:
    """Group → (units that count, means) in the only arm of some rows."""
    groups = groups_of([metric], Terms(), **options)
    (sums,) = everything([metric], scope, rows, **options).arms.values()
    return {group.name: (units_of(sums, group), moments_of(sums, group).mean) for group in groups}


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


@pytest.mark.parametrize("name", ["adjusted", "values_window"])
def test_the_sql_of_all_steps_together_is_the_golden_one(name):
    path = GOLDEN / f"{name}.sql"
    metrics, scope = [ADJUSTED, CAPPED, RETENTION], replace(SCOPE, segments=("country", "new"))
    query = {
        "adjusted": moments_query(scope, metrics, caps={"capped": 250}, novelty=["ctr"], buckets=(0, 32)),
        "values_window": values_query(SCOPE, replace(METRICS["average-order-value"], window_days=7)),
    }[name]
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(query.sql + "\n")
    assert query.sql + "\n" == path.read_text()


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


def test_covariates_count_what_happened_before_the_first_exposure_and_never_at_it_or_later():
    rows = (
        row("ann", "Promotion Clicked", 50 - 49),  # more than two days before
        row("ann", "Promotion Clicked", 50 - 48),  # exactly two days before
        row("ann", "Promotion Viewed", 50 - 48),
        row("ann", "Promotion Clicked", 50 - 1 / 3600),
        row("ann", "Experiment Viewed", 50, arm="control"),
        row("ann", "Promotion Clicked", 50),
        row("ann", "Promotion Viewed", 50),
        row("ann", "Promotion Viewed", 51),
    )
    metric = replace(METRICS["ctr"], covariate_days=2)
    assert one_arm(metric, rows) == {"m0": (1, (1.0, 2.0, 2.0, 1.0))}
    unexposed = [one for one in rows if one[1] != "Experiment Viewed"]
    assert duckdb_rows(moments_query(SCOPE, [metric]), unexposed) == []


def test_habits_before_the_start_of_the_experiment_are_read_and_other_days_before_it_are_not():
    rows = (
        row("ann", "Order Completed", -72, value=8, currency="CNY"),
        row("ann", "Order Completed", -47, value=40, currency="CNY"),
        row("ann", "Order Refunded", -1, value=10, currency="CNY"),
        row("ann", "Order Completed", -1, value=999, currency="USD"),
        row("ann", "Experiment Viewed", -3, arm="control"),
        row("ann", "Experiment Viewed", 1, arm="control"),
        row("ann", "Order Completed", 2, value=7, currency="CNY"),
    )
    assert one_arm(replace(METRICS["revenue"], covariate_days=2), rows) == {"m0": (1, (7.0, 30.0))}
    assert one_arm(replace(METRICS["conversion"], covariate_days=2), rows) == {"m0": (1, (1.0, 1.0))}
    (sums,) = totals([replace(METRICS["revenue"], covariate_days=2)], rows=rows).values()
    assert sums["foreign_money"] == 0  # what happened before exposure is no exclusion


def test_a_metric_without_covariates_is_the_same_beside_one_that_has_some():
    alone, beside = totals([METRICS["ctr"]]), totals([METRICS["ctr"], replace(METRICS["revenue"], covariate_days=28)])
    names = [name for name in alone["control"] if name != "foreign_money"]  # orders in dollars are asked for beside it
    assert all(alone[arm][name] == beside[arm][name] for arm in alone for name in names)


def test_retention_counts_units_that_came_back_in_its_days_and_had_the_time_to():
    rows = [row(user, "Experiment Viewed", 0, arm="control") for user in ("early", "first", "last", "late")]
    rows += [
        row("early", "Promotion Viewed", 7 * 24 - 1),
        row("first", "Promotion Viewed", 7 * 24),
        row("last", "Product Viewed", 14 * 24 - 1),
        row("late", "Promotion Clicked", 14 * 24),
        row("just", "Experiment Viewed", 16 * 24, arm="control"),
        row("new", "Experiment Viewed", 16 * 24 + 1, arm="control"),
        row("new", "Promotion Viewed", 25 * 24),
    ]
    assert one_arm(METRICS["retention"], rows) == {"m0": (5, (2 / 5,))}
    (sums,) = totals([METRICS["retention"]], rows=rows).values()
    assert (sums["n"], sums["m0_n"]) == (6, 5)
    running = replace(SCOPE, end=None, seen_until=START + timedelta(days=30, hours=1))
    assert one_arm(METRICS["retention"], rows, running) == {"m0": (6, (3 / 6,))}
    open_ended = replace(METRICS["retention"], window_days=None)
    assert one_arm(open_ended, rows) == {"m0": (6, (4 / 6,))}


def test_nobody_has_had_time_when_the_log_is_empty_or_short():
    rows = [row("ann", "Experiment Viewed", 0, arm="control")]
    running = replace(SCOPE, end=None, seen_until=START + timedelta(days=1))
    metric = replace(METRICS["retention"], covariate_days=7)
    assert one_arm(metric, rows, running) == {"m0": (0, (0.0, 0.0))}
    assert duckdb_rows(moments_query(replace(SCOPE, end=None), [metric]), ROWS[:1]) == []


def test_a_cap_limits_the_numerator_only_and_the_raw_sums_stay_beside_it():
    rows = [
        row("ann", "Experiment Viewed", 1, arm="control"),
        row("ann", "Order Completed", 0, value=900, currency="CNY"),
        row("ann", "Order Completed", 2, value=300, currency="CNY"),
        row("ann", "Order Completed", 3, value=100, currency="CNY"),
    ]
    value = replace(METRICS["average-order-value"], covariate_days=1)
    assert one_arm(value, rows, caps={value.key: 250}) == {"m0": (1, (250.0, 2.0, 900.0, 1.0)), "r0": (1, (400.0, 2.0))}
    refunds = [*rows[:1], row("ann", "Order Refunded", 2, value=300, currency="CNY")]
    assert one_arm(METRICS["revenue"], refunds, caps={"revenue": 250})["m0"] == (1, (-300.0,))
    assert one_arm(METRICS["revenue"], rows, caps={"another": 250}) == {"m0": (1, (400.0,))}


def test_a_cap_is_a_parameter_and_the_text_is_the_same_for_every_value():
    low, high = (moments_query(SCOPE, [METRICS["revenue"]], caps={"revenue": cap}) for cap in (123_457, 765_431))
    assert low.sql == high.sql
    assert (low.parameters["cap_0"], high.parameters["cap_0"]) == (123_457, 765_431)


def test_novelty_is_the_second_week_less_the_first_of_units_that_had_both():
    rows = [
        row("ann", "Experiment Viewed", 0, arm="control"),
        row("ann", "Promotion Joined", 0),
        row("ann", "Promotion Joined", 7 * 24 - 1),
        row("ann", "Promotion Joined", 7 * 24),
        row("ann", "Promotion Joined", 14 * 24 - 1),
        row("ann", "Promotion Joined", 13 * 24),
        row("ann", "Promotion Joined", 14 * 24),
        row("new", "Experiment Viewed", 16 * 24 + 1, arm="control"),
        row("new", "Promotion Joined", 17 * 24),
    ]
    found = one_arm(METRICS["participations"], rows, novelty=["participations"])
    assert found == {"m0": (2, (7 / 2,)), "d0": (1, (1.0,))}
    share = one_arm(METRICS["participation"], rows, novelty=["participation"])
    assert share["d0"] == (1, (0.0,))


def test_a_segment_is_that_of_the_first_exposure_whatever_the_later_ones_say():
    rows = [
        row("ann", "Experiment Viewed", 5, arm="control", properties='{"country": "B"}'),
        row("ann", "Experiment Viewed", 1, arm="control", properties='{"country": "A", "new": true}'),
        row("bob", "Experiment Viewed", 1, arm="control"),
        row("bob", "Experiment Viewed", 2, arm="control", properties='{"country": "B"}'),
        row("cat", "Experiment Viewed", 1, arm="treatment", properties='{"country": null, "new": true}'),
        row("dan", "Experiment Viewed", -1, arm="treatment", properties='{"country": "B"}'),
        row("dan", "Experiment Viewed", 1, arm="treatment", properties='{"country": "A"}'),
        row("ann", "Promotion Viewed", 5, properties='{"country": "B"}'),
    ]
    found = everything([METRICS["ctr"]], replace(SCOPE, segments=("country", "new")), rows)
    assert {key: {arm: sums["n"] for arm, sums in arms.items()} for key, arms in found.segments.items()} == {
        (0, "A"): {"control": 1, "treatment": 1},
        (0, ""): {"control": 1, "treatment": 1},
        (1, "true"): {"control": 1, "treatment": 1},
        (1, ""): {"control": 1, "treatment": 1},
    }
    assert found.segments[0, "A"]["control"]["m0_1_sum"] == 1
    assert found.arms == totals([METRICS["ctr"]], rows=rows)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_first_exposures_at_one_moment_the_smaller_segment_counts_in_any_order(order):
    rows = [
        row("ann", "Experiment Viewed", 1, arm="control", properties=f'{{"country": "{country}"}}')
        for country in ("A", "B")
    ][::order]
    found = everything([METRICS["ctr"]], replace(SCOPE, segments=("country",)), rows)
    assert list(found.segments) == [(0, "A")]


@pytest.mark.parametrize("name", ["two words", "a.b", "a[0]", "it's", "$", "地区", "back\\slash"])
def test_any_name_of_a_property_can_be_a_segment(name):
    rows = [row("ann", "Experiment Viewed", 1, arm="control", properties=json.dumps({name: "x", "other": "y"}))]
    query = moments_query(replace(SCOPE, segments=(name,)), [METRICS["ctr"]])
    found = Totals()
    add_rows(found, duckdb_rows(query, rows))
    assert list(found.segments) == [(0, "x")]
    assert query.sql == moments_query(replace(SCOPE, segments=("country",)), [METRICS["ctr"]]).sql


def test_skewness_is_that_of_all_arms_together():
    amounts = {"ann": 1, "bob": 5, "cat": 0, "dan": 250, "eve": 3}
    rows = [row(user, "Experiment Viewed", 1, arm="control" if user < "c" else "treatment") for user in amounts]
    rows += [row(user, "Order Completed", 2, value=value, currency="CNY") for user, value in amounts.items()]
    found, group = totals([METRICS["revenue"]], rows=rows), groups_of([METRICS["revenue"]], Terms())[0]
    assert skew_of(found.values(), group) == pytest.approx(stats.skew(list(amounts.values())), rel=1e-12)
    capped = groups_of([METRICS["revenue"]], Terms(), caps={"revenue": 4})[0]
    arms = everything([METRICS["revenue"]], rows=rows, caps={"revenue": 4}).arms.values()
    assert skew_of(arms, capped) == pytest.approx(stats.skew([1, 4, 0, 4, 3]), rel=1e-12)


def test_values_without_spread_and_no_units_have_no_skewness():
    group = groups_of([METRICS["revenue"]], Terms())[0]
    assert math.isnan(skew_of([], group))
    rows = [row(user, "Experiment Viewed", 1, arm="control") for user in "abc"]
    assert math.isnan(skew_of(totals([METRICS["revenue"]], rows=rows).values(), group))


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
    scope = replace(SCOPE, experiment=hostile, segments=(hostile,), currency=hostile)
    query = moments_query(
        scope, [replace(metric, window_days=7, covariate_days=7, key=hostile)], caps={hostile: 987_654}
    )
    assert "987654" not in query.sql
    assert hostile not in query.sql
    assert hostile in query.parameters.values()


def test_a_metric_without_events_is_refused():
    metric = MetricDefinition(key="k", name="k", kind=Kind.MEAN, numerator=())
    with pytest.raises(InvalidInput, match="at least one event"):
        moments_query(SCOPE, [metric])


@pytest.mark.postgresql
def test_duckdb_and_postgresql_give_equal_results(postgresql_url):
    query = moments_query(SCOPE, ALL, caps={"capped": 250}, novelty=["ctr", "retention"])
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
    assert there == everything(ALL, caps={"capped": 250}, novelty=["ctr", "retention"])
