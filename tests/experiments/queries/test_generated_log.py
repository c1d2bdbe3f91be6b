"""Moments of generated logs: against pandas, in slices, by segment and with the arms swapped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from experiments.contracts import Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.moments import ArmTotals, Totals, add_rows, groups_of, moments_of, moments_query
from experiments.queries.scope import Scope
from experiments.queries.terms import Terms
from experiments.stats.moments import Moments
from tests.experiments.queries.events_table import START, DuckDBWarehouse
from tests.experiments.queries.generated import generated_rows, units_by_pandas

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
SCOPE = Scope(experiment="exp", unit=Unit.USER, start=START, end=START + timedelta(days=26), currency="CNY")
RETENTION = replace(METRICS["retention"], after_days=2, window_days=None)
CAPPED = replace(METRICS["revenue"], key="capped", window_days=3, covariate_days=2)
ALL = [*BUILTIN_METRICS, replace(METRICS["ctr"], covariate_days=7), CAPPED, RETENTION]
GROUPS = {"m": ("values", "ripe"), "r": ("raw", "ripe"), "d": ("change", "seen_two_weeks")}  # what, of whom
SEEDS = pytest.mark.parametrize("seed", range(4))
CHOSEN = (
    METRICS["ctr"],
    METRICS["revenue"],
    RETENTION,
    replace(METRICS["ctr"], covariate_days=5, window_days=4),
    replace(METRICS["revenue"], covariate_days=14, after_days=1, window_days=6),
    replace(METRICS["conversion"], covariate_days=3, window_days=10),
    replace(METRICS["average-order-value"], covariate_days=9),
)


def everything(metrics, scope, rows, **options) -> Totals:
    query, result = moments_query(scope, metrics, **options), Totals()
    add_rows(result, DuckDBWarehouse(rows).query(query.sql, query.parameters))
    return result


@SEEDS
@pytest.mark.parametrize("ends", [True, False])
def test_moments_of_a_generated_log_are_those_that_pandas_finds(seed, ends):
    rows = generated_rows(seed)
    until = START + timedelta(days=26)
    scope = replace(SCOPE, end=until if ends else None, seen_until=until, segments=("device",))
    metrics = [replace(metric, key=f"k{place}") for place, metric in enumerate(CHOSEN)]
    caps, novelty = {"k0": 2, "k1": 300, "k4": 120}, ["k0", "k5"]
    found = everything(metrics, scope, rows, caps=caps, novelty=novelty)
    for group in groups_of(metrics, Terms(), caps=caps, novelty=novelty):
        metric = metrics[int(group.name[1:])]
        units = units_by_pandas(rows, scope, metric, cap=caps.get(metric.key))
        column, counts = GROUPS[group.name[0]]
        for arm, sums in found.arms.items():
            of_arm = units[units["arm"].isna() if arm is None else units["arm"] == arm]
            assert sums["n"] == len(of_arm)
            same(moments_of(sums, group), of_arm.loc[of_arm[counts], column])
        for (_, device), arms in found.segments.items():
            for arm in ("control", "treatment"):
                of_both = units[(units["arm"] == arm) & (units["device"] == device)]
                if arm in arms:
                    same(moments_of(arms[arm], group), of_both.loc[of_both[counts], column])
                else:
                    assert of_both.empty


def same(moments: Moments, values: pd.Series) -> None:
    """The moments of these values, one (or a list of columns) per unit."""
    table = np.array(values.tolist(), dtype=float).reshape(len(values), len(moments.mean))
    expected = Moments.from_arrays(*table.T)
    assert moments.n == expected.n
    assert moments.mean == pytest.approx(expected.mean, rel=1e-12, abs=1e-12)
    for row_, expected_row in zip(moments.comoment, expected.comoment, strict=True):
        assert row_ == pytest.approx(expected_row, rel=1e-9, abs=1e-7)


@SEEDS
def test_segments_and_slices_of_a_generated_log_add_up_to_the_whole(seed):
    rows, scope = generated_rows(seed), replace(SCOPE, segments=("device", "new"))
    options = {"caps": {"capped": 100}, "novelty": ["ctr"]}
    warehouse, whole, sliced = DuckDBWarehouse(rows), everything(ALL, scope, rows, **options), Totals()
    for low in range(0, 64, 8):
        query = moments_query(scope, ALL, buckets=(low, low + 8), **options)
        add_rows(sliced, warehouse.query(query.sql, query.parameters))
    assert sliced == whole
    for dimension in (0, 1):
        added: ArmTotals = {}
        for (place, _), arms in whole.segments.items():
            for arm, sums in arms.items() if place == dimension else ():
                into = added.setdefault(arm, {})
                for name, value in sums.items():
                    into[name] = into.get(name, 0) + value
        assert added == whole.arms


@SEEDS
def test_swapping_the_arms_swaps_the_sums(seed):
    rows, scope = generated_rows(seed), replace(SCOPE, segments=("device",))
    other = {"control": "treatment", "treatment": "control", None: None}
    swapped = [(*one[:6], other[one[6]], *one[7:]) for one in rows]
    there, here = (everything(ALL, scope, log, caps={"capped": 100}) for log in (swapped, rows))
    assert {other[arm]: sums for arm, sums in there.arms.items()} == here.arms
    assert there.segments.keys() == here.segments.keys()
