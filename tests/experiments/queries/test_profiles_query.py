"""Segments and covariates from profiles: counted by hand, the golden SQL, and what they do to the error rates."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlglot

from experiments.contracts import Kind, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.moments import Totals, add_rows, groups_of, moments_of, moments_query
from experiments.queries.profiles import FIGURES, SEGMENTS, covariate_labels
from experiments.queries.scope import Scope
from experiments.queries.terms import Terms
from experiments.stats.adjustment import adjust
from experiments.stats.comparison import compare_estimates
from experiments.stats.moments import Moments
from recommenders.profiles import figures
from tests.experiments.queries.events_table import START, DuckDBWarehouse, row

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
GOLDEN = Path(__file__).parents[2] / "golden" / "profiles.sql"
SCOPE = Scope(
    experiment="exp",
    unit=Unit.USER,
    start=START,
    end=START + timedelta(days=30),
    currency="CNY",
    segments=("plan", "profile.interest"),
    figures=("orders",),
)
ROWS = (
    row("ann", "Experiment Viewed", 1, arm="control", properties='{"plan": "gold"}'),
    row("ann", "Order Completed", 2, value=300, currency="CNY"),
    row("bob", "Experiment Viewed", 1, arm="control"),
    row("cat", "Experiment Viewed", 1, arm="treatment"),
    row("cat", "Order Completed", 2, value=500, currency="CNY"),
    row("dan", "Experiment Viewed", 1, arm="treatment"),
)
# bob has a profile without orders that are known, dan has no profile, eve is not in the experiment
PROFILES = "VALUES ('ann', 4, 'books'), ('bob', NULL, 'toys'), ('cat', 2, 'books'), ('eve', 9, 'toys')"


def warehouse(rows=ROWS, profiles=PROFILES) -> DuckDBWarehouse:
    made = DuckDBWarehouse(rows)
    made.connection.execute(f"CREATE TABLE profiles AS SELECT * FROM ({profiles}) AS p (user_id, orders, interest)")
    return made


def totals_of(made, scope=SCOPE):
    query = moments_query(scope, [METRICS["revenue"]])
    totals = Totals()
    add_rows(totals, made.query(query.sql, query.parameters))
    return totals, groups_of([METRICS["revenue"]], Terms(), figures=scope.figures)[0]


def test_a_figure_is_a_covariate_with_another_that_says_where_it_is_not_known():
    totals, group = totals_of(warehouse())
    # revenue, orders or 0, unknown
    assert moments_of(totals.arms["control"], group).mean == (150.0, 2.0, 0.5)
    assert moments_of(totals.arms["treatment"], group).mean == (250.0, 1.0, 0.5)


def test_segments_of_profiles_stand_beside_those_of_the_exposure_and_users_without_one_are_none():
    totals, _ = totals_of(warehouse())
    found = {key: {arm: sums["n"] for arm, sums in arms.items()} for key, arms in totals.segments.items()}
    assert found == {
        (0, ""): {"control": 1, "treatment": 2},
        (0, "gold"): {"control": 1},
        (1, "books"): {"control": 1, "treatment": 1},
        (1, "toys"): {"control": 1},
        (1, "none"): {"treatment": 1},
    }


def test_quantiles_are_not_adjusted():
    quantile = replace(METRICS["revenue"], kind=Kind.QUANTILE, quantile=0.5)
    assert len(groups_of([quantile], Terms(), figures=("orders",))[0].columns) == 1


def test_the_sql_is_the_golden_one():
    query = moments_query(SCOPE, [METRICS["revenue"]])
    if os.environ.get("WINNOW_WRITE_GOLDEN"):
        GOLDEN.write_text(query.sql + "\n", encoding="utf-8")
    assert query.sql + "\n" == GOLDEN.read_text(encoding="utf-8")
    sqlglot.transpile(query.sql, read="duckdb", write="postgres")


def test_the_columns_that_queries_may_name_are_those_that_profiles_have():
    assert {one.key: one.name for one in figures.USER_FIGURES} == FIGURES
    assert tuple(one.key for one in figures.SEGMENTS) == SEGMENTS


def test_every_covariate_has_a_name_for_people():
    assert covariate_labels(("orders",)) == ("Orders (profile)", "Orders unknown (profile)")


@pytest.fixture(scope="module")
def habits():
    """Users who buy as they did before; a fifth have no profile."""
    rng = np.random.default_rng(20261124)
    rate = rng.gamma(1.0, 2.0, 4_000)
    orders, known = rng.poisson(4 * rate), rng.random(4_000) >= 0.2
    return rng, rng.poisson(rate).astype(float), np.where(known, orders, 0).astype(float), (~known).astype(float)


def shares_of_significance(habits, runs=600):
    """Of re-randomised users: how often p is at most .05, adjusted, and how much variance went away."""
    rng, value, orders, unknown = habits
    found, reductions = 0, []
    for _ in range(runs):
        arm = rng.random(value.size) < 0.5
        arms = {
            name: Moments.from_arrays(value[who], orders[who], unknown[who]) for name, who in (("c", ~arm), ("t", arm))
        }
        adjusted = adjust(arms, Kind.MEAN)
        control, treatment = adjusted.pair("c", "t")
        found += compare_estimates(control, treatment, alpha=0.05, control_name="c", arm="t").significant
        reductions.append(adjusted.reduction)
    return found / runs, float(np.mean(reductions))


def test_profiles_take_variance_away_and_an_a_a_test_keeps_its_error_rate(habits):
    false_positives, reduction = shares_of_significance(habits)
    assert reduction > 0.3
    assert abs(false_positives - 0.05) < 3.3 * (0.05 * 0.95 / 600) ** 0.5
