"""Covariates, windows, caps, segments and novelty: on users counted by hand, and against pandas on a random log."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg2
import pytest
import sqlglot

from experiments.contracts import Kind, MetricDefinition, Term, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.left_out import extent_query, left_out_query
from experiments.queries.moments import Totals, add_rows, groups_of, moments_of, moments_query, skew_of, units_of
from experiments.queries.scope import Scope
from experiments.queries.terms import Terms
from experiments.queries.values import values_query
from experiments.stats.moments import Moments
from tests.experiments.queries.events_table import COLUMNS, CREATE, START, DuckDBWarehouse, row

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
DAY = 24
SCOPE = Scope(experiment="exp", unit=Unit.USER, start=START, end=START + timedelta(days=30), currency="CNY")

# ann bought for 500 five days before she was exposed, 40 days before, and at the moment of exposure; bob is new.
# cat was exposed on day 20, her history lies before the experiment.
BEFORE = (
    row("ann", "Order Completed", 10 * DAY - 40 * DAY, value=7_000, currency="CNY"),
    row("ann", "Order Completed", 5 * DAY, value=500, currency="CNY"),
    row("ann", "Experiment Viewed", 10 * DAY, arm="control", properties='{"plan": "gold", "plan b": "x"}'),
    row("ann", "Order Completed", 10 * DAY, value=300, currency="CNY"),
    row("ann", "Experiment Viewed", 11 * DAY, arm="control", properties='{"plan": "basic"}'),
    row("bob", "Experiment Viewed", 1, arm="treatment", properties='{"plan": "basic"}'),
    row("bob", "Order Completed", 9 * DAY, value=40, currency="CNY"),
    row("bob", "Promotion Viewed", 10 * DAY),
    row("cat", "Order Completed", -3 * DAY, value=90, currency="CNY"),
    row("cat", "Experiment Viewed", 20 * DAY, arm="treatment"),
)


def ask(metrics, scope=SCOPE, rows=BEFORE, **options):
    totals = Totals()
    query = moments_query(scope, metrics, **options)
    add_rows(totals, DuckDBWarehouse(rows).query(query.sql, query.parameters))
    groups = groups_of(metrics, Terms(), caps=options.get("caps"), novelty=options.get("novelty", ()))
    return totals, {group.name: group for group in groups}


def test_a_covariate_is_the_same_metric_before_exposure_and_never_an_event_at_it():
    totals, groups = ask([replace(METRICS["revenue"], covariate_days=28)])
    control = moments_of(totals.arms["control"], groups["m0"])
    assert control.mean == (300.0, 500.0)
    assert moments_of(totals.arms["treatment"], groups["m0"]).mean == (20.0, 45.0)


def test_days_before_the_start_are_read_and_no_more_of_them_than_asked_for():
    totals, groups = ask([replace(METRICS["revenue"], covariate_days=45)])
    assert moments_of(totals.arms["control"], groups["m0"]).mean == (300.0, 7_500.0)
    totals, groups = ask([replace(METRICS["revenue"], covariate_days=2)])
    assert moments_of(totals.arms["treatment"], groups["m0"]).mean == (20.0, 0.0)


def test_a_ratio_has_two_covariates():
    metric = replace(METRICS["average-order-value"], covariate_days=28)
    totals, groups = ask([metric])
    assert moments_of(totals.arms["control"], groups["m0"]).mean == (300.0, 1.0, 500.0, 1.0)


def test_retention_counts_who_comes_back_and_only_units_that_had_the_time():
    scope = replace(SCOPE, seen_until=START + timedelta(days=24))
    totals, groups = ask([METRICS["retention"]], scope)
    assert units_of(totals.arms["control"], groups["m0"]) == 1  # ann, exposed on day 10
    treatment = totals.arms["treatment"]
    assert (int(treatment["n"]), units_of(treatment, groups["m0"])) == (2, 1)  # cat had four days
    assert moments_of(treatment, groups["m0"]).mean == (1.0,)
    assert moments_of(totals.arms["control"], groups["m0"]).mean == (0.0,)


def test_a_cap_limits_each_unit_and_the_raw_values_stay():
    totals, groups = ask([METRICS["revenue"]], caps={"revenue": 100})
    assert moments_of(totals.arms["control"], groups["m0"]).mean == (100.0,)
    assert moments_of(totals.arms["control"], groups["r0"]).mean == (300.0,)


def test_segments_are_those_of_the_first_exposure_and_add_up():
    totals, groups = ask([METRICS["revenue"]], replace(SCOPE, segments=("plan", "plan b")))
    found = {key: {arm: sums["n"] for arm, sums in arms.items()} for key, arms in totals.segments.items()}
    assert found == {
        (0, "gold"): {"control": 1},
        (0, "basic"): {"treatment": 1},
        (0, ""): {"treatment": 1},
        (1, "x"): {"control": 1},
        (1, ""): {"treatment": 2},
    }
    assert moments_of(totals.segments[0, "gold"]["control"], groups["m0"]).mean == (300.0,)
    assert totals.arms["control"] == ask([METRICS["revenue"]])[0].arms["control"]


def test_segments_go_with_windows_and_covariates():
    metrics = [METRICS["retention"], replace(METRICS["revenue"], covariate_days=7)]
    scope = replace(SCOPE, segments=("plan",), seen_until=START + timedelta(days=40))
    totals, groups = ask(metrics, scope, novelty=["revenue"])
    assert moments_of(totals.segments[0, "basic"]["treatment"], groups["m0"]).mean == (1.0,)
    assert moments_of(totals.segments[0, "gold"]["control"], groups["m1"]).mean == (300.0, 500.0)


def test_novelty_is_the_second_week_minus_the_first():
    scope = replace(SCOPE, seen_until=START + timedelta(days=30))
    totals, groups = ask([METRICS["revenue"]], scope, novelty=["revenue"])
    assert moments_of(totals.arms["control"], groups["d0"]).mean == (-300.0,)
    treatment = moments_of(totals.arms["treatment"], groups["d0"])
    assert (treatment.n, treatment.mean) == (1, (40.0,))  # bob on day 9; cat was not there for two weeks


def test_values_are_counted_by_arm_and_a_ratio_without_a_denominator_has_none():
    def counted(metric, **options):
        query = values_query(SCOPE, metric, **options)
        return [tuple(one.values()) for one in DuckDBWarehouse(BEFORE).query(query.sql, query.parameters)]

    assert counted(METRICS["revenue"]) == [("control", 300, 1), ("treatment", 0, 1), ("treatment", 40, 1)]
    assert counted(METRICS["average-order-value"]) == [("control", 300.0, 1), ("treatment", 40.0, 1)]
    assert counted(METRICS["average-order-value"], numerator=True) == [
        ("control", 300, 1),
        ("treatment", 0, 1),
        ("treatment", 40, 1),
    ]


def test_the_extent_and_lateness_are_those_of_the_log():
    rows = (*BEFORE, row("dan", "Experiment Viewed", 25 * DAY, arm="control", late_hours=30))
    warehouse = DuckDBWarehouse(rows)
    last = warehouse.query(extent_query(SCOPE).sql, extent_query(SCOPE).parameters)[0]["last"]
    assert last == int((START + timedelta(days=25)).timestamp() * 1e6)
    query = left_out_query(replace(SCOPE, seen_until=START + timedelta(days=25)))
    found = warehouse.query(query.sql, query.parameters)[0]
    assert (found["received"], found["late"]) == (5, 1)
    assert found["first"] == int((START + timedelta(hours=1)).timestamp() * 1e6)


def random_log(seed: int):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(60):
        user, start = f"u{number}", float(rng.uniform(0, 25 * DAY))
        arm = "control" if rng.random() < 0.5 else "treatment"
        plan = ["gold", "basic", ""][rng.integers(3)]
        rows.append(row(user, "Experiment Viewed", start, arm=arm, properties=f'{{"plan": "{plan}"}}'))
        for hours in rng.uniform(-30 * DAY, 30 * DAY, rng.poisson(8)):
            if rng.random() < 0.5:
                rows.append(row(user, "Promotion Viewed", float(hours)))
            else:
                amount = int(rng.integers(1, 9_000))
                rows.append(row(user, "Order Completed", float(hours), value=amount, currency="CNY"))
    return rows


def by_pandas(rows, *, since: int | None = None, until: int | None = None, before: int | None = None):
    """Revenue per user over a window around the first exposure, in hours, of users exposed within the dates."""
    log = pd.DataFrame(rows, columns=list(COLUMNS))
    log["hours"] = (log["timestamp"] - START).dt.total_seconds() / 3600
    exposed = (
        log[(log["event"] == "Experiment Viewed")].groupby("user_id").agg(first=("hours", "min"), arm=("arm", "min"))
    )
    orders = log[log["event"] == "Order Completed"].merge(exposed["first"], left_on="user_id", right_index=True)
    age = orders["hours"] - orders["first"]
    if before is not None:
        kept = (age < 0) & (age >= -before * DAY)
    else:
        kept = (age >= (since or 0) * DAY) & (orders["hours"] < 30 * DAY)
        kept &= age < until * DAY if until is not None else True
    return exposed.assign(y=orders[kept].groupby("user_id")["value"].sum()).fillna({"y": 0.0})


@pytest.mark.parametrize("seed", range(4))
def test_a_random_log_has_the_moments_that_pandas_finds(seed):
    rows = random_log(seed)
    revenue = replace(METRICS["revenue"], covariate_days=14)
    late = MetricDefinition(
        key="late",
        name="late",
        kind=Kind.MEAN,
        numerator=(Term(event="Order Completed", value=True),),
        after_days=3,
        window_days=10,
    )
    scope = replace(SCOPE, seen_until=START + timedelta(days=30), segments=("plan",))
    totals, groups = ask([revenue, late], scope, rows, caps={"revenue": 4_000})
    whole, history = by_pandas(rows), by_pandas(rows, before=14)
    window = by_pandas(rows, since=3, until=10)
    ripe = window[window["first"] <= 20 * DAY]
    for arm in ("control", "treatment"):
        sums, mine = totals.arms[arm], whole["arm"] == arm
        expected = Moments.from_arrays(np.minimum(whole["y"][mine], 4_000.0), history["y"][mine])
        found = moments_of(sums, groups["m0"])
        assert found.n == expected.n
        assert found.mean == pytest.approx(expected.mean, rel=1e-12)
        assert np.array(found.comoment) == pytest.approx(np.array(expected.comoment), rel=1e-9)
        raw = moments_of(sums, groups["r0"])
        assert raw.mean == pytest.approx((whole["y"][mine].mean(),), rel=1e-12)
        narrow = moments_of(sums, groups["m1"])
        assert (narrow.n, narrow.mean[0]) == (
            int((ripe["arm"] == arm).sum()),
            pytest.approx(ripe["y"][ripe["arm"] == arm].mean(), rel=1e-12),
        )
        parts = [moments_of(arms[arm], groups["m0"]) for arms in totals.segments.values() if arm in arms]
        assert sum(part.n for part in parts) == found.n
    capped = np.minimum(whole["y"], 4_000.0)
    assert skew_of(totals.arms.values(), groups["m0"]) == pytest.approx(pd.Series(capped).skew(), rel=0.05)


def test_slices_of_the_users_add_up_with_segments_and_windows():
    rows = random_log(9)
    scope = replace(SCOPE, seen_until=START + timedelta(days=30), segments=("plan",))
    metrics = [replace(METRICS["revenue"], covariate_days=14), METRICS["retention"]]
    warehouse, sliced = DuckDBWarehouse(rows), Totals()
    for low in range(0, 64, 16):
        query = moments_query(scope, metrics, novelty=["revenue"], buckets=(low, low + 16))
        add_rows(sliced, warehouse.query(query.sql, query.parameters))
    whole, _ = ask(metrics, scope, rows, novelty=["revenue"])
    for name in ("arms", "segments"):
        ours, theirs = getattr(sliced, name), getattr(whole, name)
        assert ours.keys() == theirs.keys()
    for arm, sums in whole.arms.items():
        assert sliced.arms[arm] == pytest.approx(sums)


@pytest.mark.parametrize("name", ["registered", "values"])
def test_the_sql_is_the_golden_one(name):
    scope = replace(SCOPE, segments=("plan",))
    metrics = [replace(METRICS["revenue-capped"], covariate_days=28), METRICS["retention"]]
    query = (
        moments_query(scope, metrics, caps={"revenue-capped": 4_000}, novelty=["revenue-capped"])
        if name == "registered"
        else values_query(SCOPE, METRICS["satisfaction"])
    )
    path = Path(__file__).parents[2] / "golden" / f"{name}.sql"
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        path.write_text(query.sql + "\n")
    assert query.sql + "\n" == path.read_text()


def test_names_of_segments_never_reach_the_text():
    query = moments_query(replace(SCOPE, segments=("x') OR 1=1 --",)), [METRICS["ctr"]])
    assert "OR 1=1" not in query.sql
    assert '$."x\') OR 1=1 --"' in query.parameters.values()


@pytest.mark.postgresql
def test_duckdb_and_postgresql_agree_on_covariates_windows_and_values(postgresql_url):
    metrics = [replace(METRICS["revenue"], covariate_days=14), METRICS["retention"]]
    scope = replace(SCOPE, seen_until=START + timedelta(days=30))
    rows = random_log(5)
    queries = (
        moments_query(scope, metrics, caps={"revenue": 4_000}, novelty=["revenue"]),
        values_query(scope, METRICS["average-order-value"]),
        left_out_query(scope),
        extent_query(scope),
    )
    connection = psycopg2.connect(postgresql_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(CREATE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
            cursor.executemany(f"INSERT INTO events VALUES ({', '.join(['%s'] * len(COLUMNS))})", rows)
            for query in queries:
                cursor.execute(sqlglot.transpile(query.sql, read="duckdb", write="postgres")[0], dict(query.parameters))
                names = [column[0] for column in cursor.description]
                there = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
                here = DuckDBWarehouse(rows).query(query.sql, query.parameters)
                assert len(there) == len(here)
                for theirs, ours in zip(there, here, strict=True):
                    assert numbers(theirs) == pytest.approx(numbers(ours), rel=1e-9)
                    assert texts(theirs) == texts(ours)
    finally:
        connection.close()


def numbers(one):
    return {name: float(value) for name, value in one.items() if not isinstance(value, str | None)}


def texts(one):
    return {name: value for name, value in one.items() if isinstance(value, str | None)}
