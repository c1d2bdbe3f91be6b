"""What is read for a report: every part of the evidence against numbers counted by hand or by pandas."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from experiments.contracts import Kind, MetricDefinition, Plan, PlannedArm, PlannedMetric, Role, Source, Unit
from experiments.evidence import Evidence
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.queries.scope import BUCKETS, Scope
from experiments.services.analysis import covariate_names
from experiments.services.evidence import ROWS_PER_SLICE, Settings, gather, slices
from experiments.stats.moments import Moments
from tests.experiments.queries.events_table import ROWS, START, DuckDBWarehouse, row
from tests.experiments.queries.generated import generated_rows, units_by_pandas

METRICS = {metric.key: metric for metric in BUILTIN_METRICS}
END = START + timedelta(days=26)
REVENUE = replace(METRICS["revenue-capped"], winsor=0.8, covariate_days=7, ranked=True)
ORDER_VALUE = replace(METRICS["average-order-value"], winsor=0.5, covariate_days=5, window_days=10)
MEDIAN = replace(METRICS["revenue"], key="median", kind=Kind.QUANTILE, quantile=0.5, window_days=6)
BEFORE_START = row("ivy", "Experiment Viewed", -5, arm="control")
CHOSEN = (REVENUE, ORDER_VALUE, METRICS["retention"], METRICS["satisfaction"], MEDIAN)


def settings(*metrics: MetricDefinition, planned_units: int | None = None, **scope) -> Settings:
    roles = [Role.PRIMARY, *[Role.SECONDARY] * (len(metrics) - 1)]
    planned = [
        PlannedMetric(key=one.key, name=one.name, kind=one.kind, role=role, covariates=covariate_names(one))
        for one, role in zip(metrics, roles, strict=True)
    ]
    arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
    plan = Plan(title="", unit=Unit.USER, arms=arms, metrics=tuple(planned), planned_units=planned_units)
    fields = {"experiment": "exp", "unit": Unit.USER, "start": START, "end": END, "currency": "CNY"} | scope
    return Settings(plan=plan, scope=Scope(**fields), metrics=metrics)


def read(asked: Settings, rows=ROWS, *, size: int | None = None, **options) -> Evidence:
    return gather(asked, DuckDBWarehouse(rows), source=Source(name="lake", rows=size), **options)


def by_arm(units, column) -> dict[str, Moments]:
    """Moments of a column of lists, or of the first entry where it is a number."""
    return {
        arm: Moments.from_arrays(*np.atleast_2d(np.array(own[column].tolist(), dtype=float).T))
        for arm, own in units.groupby("arm")
    }


def same(found: dict[str, Moments], expected: dict[str, Moments]) -> None:
    assert found.keys() == expected.keys()
    for arm, moments in found.items():
        assert moments.n == expected[arm].n
        assert moments.mean == pytest.approx(expected[arm].mean, rel=1e-12, abs=1e-12)
        assert np.array(moments.comoment) == pytest.approx(np.array(expected[arm].comoment), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_every_part_of_the_evidence_is_what_pandas_finds(seed):
    rows, asked = generated_rows(seed, users=120), settings(*CHOSEN, segments=("device",))
    evidence = read(asked, rows)
    for metric in CHOSEN:
        plain = units_by_pandas(rows, asked.scope, metric)
        cap = quantile_of_payers(plain, metric.winsor) if metric.winsor else None
        assert evidence.caps.get(metric.key) == cap
        units = units_by_pandas(rows, asked.scope, metric, cap=cap)
        ripe = units[units["ripe"]]
        same(evidence.moments[metric.key], by_arm(ripe, "values"))
        assert evidence.immature[metric.key] == int((~units["ripe"] & units["arm"].notna()).sum())
        if metric.winsor:
            same(evidence.raw[metric.key], by_arm(ripe, "raw"))
        for device, found in evidence.segments[metric.key]["device"].items():
            assert sum(one.n for one in found.values()) == int((ripe["device"] == device)[ripe["arm"].notna()].sum())
    units = units_by_pandas(rows, asked.scope, REVENUE, cap=evidence.caps[REVENUE.key])
    same(evidence.novelty[REVENUE.key], by_arm(units[units["seen_two_weeks"]], "change"))
    assert evidence.units == units.groupby("arm").size().to_dict()
    assert evidence.units_in_two_arms == units["arm"].isna().sum() > 0
    capped = [value[0] for value in units.loc[units["arm"].notna(), "values"]]
    assert evidence.skew == {REVENUE.key: pytest.approx(stats.skew(capped), rel=1e-9)}
    assert {arm: one.n for arm, one in evidence.values[REVENUE.key].items()} == evidence.units


def quantile_of_payers(units, share: float) -> float:
    """The smallest value that this share of the units that are not 0 does not exceed, of both arms, ripe ones only."""
    kept = units[units["ripe"] & units["arm"].notna()]
    paid = sorted(raw[0] for raw in kept["raw"] if raw[0] != 0)
    return float(paid[math.ceil(share * len(paid)) - 1])


@pytest.mark.parametrize("seed", range(3))
def test_caps_do_not_depend_on_the_arms(seed):
    rows = generated_rows(seed)
    other = {"control": "treatment", "treatment": "control", None: None}
    swapped = [(*one[:6], other[one[6]], *one[7:]) for one in rows]
    shuffled = [(*one[:6], one[6] and ("control", "treatment")[sum(one[0].encode()) % 2], *one[7:]) for one in rows]
    asked = settings(REVENUE, ORDER_VALUE)
    assert read(asked, rows).caps == read(asked, swapped).caps
    relabelled = read(asked, shuffled)
    assert relabelled.units_in_two_arms == 0
    one_arm = [(*one[:6], one[6] and "control", *one[7:]) for one in rows]
    assert relabelled.caps == read(asked, one_arm).caps


def test_a_cap_is_that_of_planned_arms_and_of_units_with_time_to_respond():
    amounts = {"ann": 100, "bob": 200, "cat": 300, "dan": 0, "eve": 9_000, "fay": 8_000}
    arms = dict.fromkeys(amounts, "control") | {"bob": "treatment", "eve": "blue"}
    rows = [row(user, "Experiment Viewed", 1 if user != "fay" else 24 * 24, arm=arm) for user, arm in arms.items()]
    rows += [
        row(user, "Order Completed", 25 * 24, value=value, currency="CNY") for user, value in amounts.items() if value
    ]
    evidence = read(settings(replace(REVENUE, winsor=0.5, covariate_days=None, window_days=25)), rows)
    assert evidence.caps == {REVENUE.key: 200.0}
    assert evidence.unknown_arms == {"blue": 1}
    assert evidence.units == {"control": 4, "treatment": 1}
    assert evidence.moments[REVENUE.key]["control"].mean == (pytest.approx(300 / 3),)
    assert evidence.raw[REVENUE.key]["control"].mean == (pytest.approx(400 / 3),)
    assert evidence.immature == {REVENUE.key: 1}


def test_where_nobody_paid_there_is_no_cap():
    evidence = read(settings(REVENUE), [row("ann", "Experiment Viewed", 1, arm="control")])
    assert (evidence.caps, evidence.raw) == ({}, {})
    assert evidence.moments[REVENUE.key]["control"].mean == (0.0, 0.0)


def test_slices_give_the_same_evidence():
    rows, asked = generated_rows(5), settings(*CHOSEN, segments=("device", "new"))
    seen: list[tuple[int, int]] = []
    whole = read(asked, rows)
    sliced = read(asked, rows, size=5 * ROWS_PER_SLICE, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(9)]
    for name in ("units", "moments", "raw", "caps", "segments", "novelty", "immature", "before", "looks"):
        assert getattr(sliced, name) == getattr(whole, name)
    for key, arms in whole.values.items():
        for arm, counts in arms.items():
            assert sliced.values[key][arm].values.tolist() == counts.values.tolist()
            assert sliced.values[key][arm].counts.tolist() == counts.counts.tolist()


@pytest.mark.parametrize("size", [0, 1, ROWS_PER_SLICE, ROWS_PER_SLICE + 1, 10**9, 10**13])
def test_slices_cover_every_bucket_once(size):
    parts = slices(size)
    assert [bucket for low, high in parts for bucket in range(low, high)] == list(range(BUCKETS))
    assert len(parts) == 1 or len(parts) == BUCKETS or size <= len(parts) * ROWS_PER_SLICE


def test_covariates_come_by_their_names_each_on_its_own():
    evidence = read(settings(ORDER_VALUE, REVENUE), generated_rows(1))
    assert list(evidence.before) == [
        "Average order value (5 d)",
        "Average order value denominator (5 d)",
        "Revenue, capped (7 d)",
    ]
    for place, name in enumerate(list(evidence.before)[:2]):
        for arm, moments in evidence.before[name].items():
            assert moments.mean == (evidence.moments[ORDER_VALUE.key][arm].mean[2 + place],)


def test_only_the_primary_metric_is_followed_from_week_to_week_and_a_quantile_is_not():
    assert list(read(settings(METRICS["ctr"], REVENUE)).novelty) == ["ctr"]
    assert read(settings(MEDIAN)).novelty == {}


def test_a_running_experiment_without_any_event_has_evidence_of_nothing():
    evidence = read(
        settings(REVENUE, METRICS["retention"], ORDER_VALUE, end=None, segments=("device",)), [BEFORE_START]
    )
    assert evidence.units == {"control": 0, "treatment": 0}
    assert (evidence.source.first_event, evidence.source.last_event) == (None, None)
    assert (evidence.events, evidence.late_events, evidence.immature) == (0, 0, dict.fromkeys(evidence.immature, 0))
    assert evidence.moments["retention"] == {}
    assert math.isnan(evidence.looks.days)
    assert math.isnan(evidence.skew[REVENUE.key])


def test_a_running_experiment_is_seen_until_its_last_event_and_a_stopped_one_until_its_end():
    rows = (
        row("ann", "Experiment Viewed", 0, arm="control"),
        row("bob", "Experiment Viewed", 1, arm="control"),
        row("zoe", "Promotion Viewed", 14 * 24),
    )
    running, stopped = (read(settings(METRICS["retention"], end=end), rows) for end in (None, END))
    assert (running.immature, stopped.immature) == ({"retention": 1}, {"retention": 0})
    assert running.moments["retention"]["control"].n == 1
    assert running.source.last_event == stopped.source.last_event == START + timedelta(days=14)
    assert running.looks.days == 14


def test_late_exposures_are_counted_and_imported_history_is_not():
    rows = [
        row("ann", "Experiment Viewed", 1, arm="control"),
        row("bob", "Experiment Viewed", 1, arm="treatment", late_hours=25),
        row("cat", "Experiment Viewed", 1, arm="treatment", late_hours=900),
    ]
    evidence = read(settings(METRICS["ctr"]), rows)
    assert (evidence.events, evidence.late_events) == (2, 1)
    assert sum(evidence.units.values()) == 3


def test_earlier_looks_become_fractions_of_the_planned_units():
    looks = read(settings(METRICS["ctr"], planned_units=20), earlier_units=[2, 4, 4]).looks
    assert (looks.fractions, looks.units) == ((0.1, 0.2, 0.3), 6)
    assert read(settings(METRICS["ctr"]), earlier_units=[2, 4]).looks.fractions == ()
