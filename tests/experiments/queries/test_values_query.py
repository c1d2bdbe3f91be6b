"""Values by arm: counted by hand on the tiny log, and by pandas on generated ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from experiments.contracts import Kind, MetricDefinition, Term, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.scope import WHOLE, Scope
from experiments.queries.values import values_query
from tests.experiments.queries.events_table import ROWS, START, DuckDBWarehouse, row
from tests.experiments.queries.generated import generated_rows, units_by_pandas

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
SCOPE = Scope(experiment="exp", unit=Unit.USER, start=START, end=START + timedelta(days=30), currency="CNY")


def counted(metric, rows=ROWS, scope=SCOPE, *, numerator=False, buckets=WHOLE) -> list[tuple[object, ...]]:
    query = values_query(scope, metric, numerator=numerator, buckets=buckets)
    return [tuple(one.values()) for one in DuckDBWarehouse(rows).query(query.sql, query.parameters)]


def test_every_unit_of_one_arm_counts_once_with_its_sum():
    assert counted(METRICS["revenue"]) == [
        ("control", 0, 2),
        ("control", 200, 1),
        ("treatment", 0, 2),
        ("treatment", 300, 1),
    ]
    assert counted(METRICS["conversion"]) == [
        ("control", 0, 2),
        ("control", 1, 1),
        ("treatment", 0, 1),
        ("treatment", 1, 2),
    ]


def test_a_quantile_has_the_values_of_its_numerator():
    metric = replace(METRICS["revenue"], kind=Kind.QUANTILE, quantile=0.9)
    assert counted(metric) == counted(METRICS["revenue"])


def test_a_ratio_has_each_units_own_and_none_without_a_denominator():
    assert counted(METRICS["ctr"]) == [
        ("control", 0.0, 1),
        ("control", 1 / 3, 1),
        ("treatment", 0.0, 1),
        ("treatment", 1.0, 1),
    ]
    assert counted(METRICS["satisfaction"]) == [("treatment", 4.0, 1)]


def test_the_numerator_of_a_ratio_is_that_of_every_unit():
    assert counted(METRICS["ctr"], numerator=True) == [
        ("control", 0, 2),
        ("control", 1, 1),
        ("treatment", 0, 2),
        ("treatment", 2, 1),
    ]


def test_an_arm_that_nobody_planned_has_values_too_and_other_experiments_have_none():
    rows = (*ROWS, row("zoe", "Experiment Viewed", 2, arm="blue"))
    assert ("blue", 0, 1) in counted(METRICS["revenue"], rows)
    assert {arm for arm, _, _ in counted(METRICS["revenue"], rows)} == {"blue", "control", "treatment"}


def test_units_that_had_no_time_to_respond_have_no_value():
    rows = (
        row("ann", "Experiment Viewed", 0, arm="control"),
        row("ann", "Promotion Joined", 7 * 24 - 1),
        row("ann", "Promotion Joined", 7 * 24),
        row("bob", "Experiment Viewed", 23 * 24, arm="control"),
        row("cat", "Experiment Viewed", 23 * 24 + 1, arm="control"),
        row("cat", "Promotion Joined", 24 * 24),
    )
    metric = replace(METRICS["participations"], window_days=7)
    assert counted(metric, rows) == [("control", 0, 1), ("control", 1, 1)]
    running = replace(SCOPE, end=None, seen_until=START + timedelta(days=40))
    assert counted(metric, rows, running) == [("control", 0, 1), ("control", 1, 2)]
    assert counted(metric, rows, replace(SCOPE, end=None)) == []


def test_covariates_and_segments_change_no_value():
    metric = replace(METRICS["revenue"], covariate_days=28, window_days=7)
    scope = replace(SCOPE, segments=("country",))
    assert counted(metric, scope=scope) == counted(replace(metric, covariate_days=None))


def test_a_log_without_exposures_has_no_values():
    assert counted(METRICS["revenue"], ROWS[:1]) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("key", ["revenue", "ctr", "average-order-value", "retention"])
def test_values_of_a_generated_log_are_those_that_pandas_finds(seed, key):
    rows, metric = generated_rows(seed), METRICS[key]
    units = units_by_pandas(rows, SCOPE, metric)
    units = units[units["ripe"] & units["arm"].notna()]
    expected: Counter[tuple[str, float]] = Counter()
    for arm, raw in zip(units["arm"], units["raw"], strict=True):
        if metric.kind is not Kind.RATIO:
            expected[arm, raw[0]] += 1
        elif raw[1]:
            expected[arm, raw[0] / raw[1]] += 1
    assert {(arm, value): n for arm, value, n in counted(metric, rows)} == expected
    numerators = Counter(zip(units["arm"], (raw[0] for raw in units["raw"]), strict=True))
    assert {(arm, value): n for arm, value, n in counted(metric, rows, numerator=True)} == numerators


def test_slices_of_the_users_add_up_to_the_whole():
    rows, added = generated_rows(7), Counter[tuple[object, ...]]()
    for low in range(0, 64, 8):
        added.update({found[:2]: found[2] for found in counted(METRICS["ctr"], rows, buckets=(low, low + 8))})
    assert added == {found[:2]: found[2] for found in counted(METRICS["ctr"], rows)}


def test_values_never_reach_the_text():
    hostile = "x' OR 1=1 --"
    metric = MetricDefinition(key="k", name="k", kind=Kind.MEAN, numerator=(Term(event=hostile),), window_days=3)
    query = values_query(replace(SCOPE, experiment=hostile, currency=hostile), metric)
    assert hostile not in query.sql
    assert hostile in query.parameters.values()
