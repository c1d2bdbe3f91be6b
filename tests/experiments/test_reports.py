import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.contracts import (
    Action,
    Calibration,
    Correction,
    Decision,
    DecisionRule,
    Kind,
    Looks,
    Plan,
    PlannedArm,
    PlannedMetric,
    Reason,
    Report,
    Role,
    Scale,
    Severity,
    Source,
    Standing,
    Stopping,
    Unit,
)
from experiments.errors import InvalidInput
from experiments.rendering import freeze, report_to_frame, report_to_json, thaw, to_markdown, to_text
from experiments.reports import Evidence, build_report
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments

PLAN = Plan(
    title="Coupons",
    unit=Unit.USER,
    arms=(PlannedArm(key="control"), PlannedArm(key="b"), PlannedArm(key="c")),
    metrics=(
        PlannedMetric(key="orders", name="Orders", kind=Kind.MEAN),
        PlannedMetric(key="ctr", name="CTR", kind=Kind.RATIO),
    ),
)
ORDERS = {
    arm: Moments.from_summary(n=1_000, mean=mean, variance=1.0)
    for arm, mean in (("control", 2.0), ("b", 2.2), ("c", 1.8))
}
EVIDENCE = Evidence(
    source=Source(name="lake"),
    units={"control": 1_000, "b": 1_000, "c": 1_000},
    moments={"orders": ORDERS, "ctr": {"control": Moments.from_arrays([1.0, 0.0], [3.0, 2.0])}},
)


def test_every_metric_compares_every_treatment_with_control_in_the_planned_order() -> None:
    report = build_report(PLAN, EVIDENCE)
    assert [result.metric.key for result in report.metrics] == ["orders", "ctr"]
    assert [[arm.arm for arm in result.arms] for result in report.metrics] == [["control", "b", "c"]] * 2
    assert [(one.control, one.arm) for one in report.metrics[0].comparisons] == [("control", "b"), ("control", "c")]
    assert report.metrics[0].comparisons[0].effect == pytest.approx(0.2)


def test_each_treatment_gets_its_verdict() -> None:
    verdicts = build_report(PLAN, EVIDENCE).verdicts
    assert [(one.arm, one.decision) for one in verdicts] == [("b", Decision.BETTER), ("c", Decision.WORSE)]


def test_a_broken_split_vetoes_the_verdicts_and_keeps_the_numbers() -> None:
    report = build_report(PLAN, replace(EVIDENCE, units={"control": 1_000, "b": 1_000, "c": 1_300}))
    assert {one.decision for one in report.verdicts} == {Decision.DO_NOT_TRUST}
    assert report.metrics[0].comparisons[0].significant
    assert report.findings[0].severity is Severity.FAILURE


def test_an_arm_without_moments_has_no_units_on_that_metric() -> None:
    comparison = build_report(PLAN, EVIDENCE).metrics[1].comparisons[0]
    assert comparison.reasons == (Reason.NO_UNITS,)
    assert math.isnan(comparison.p_value)


def test_evidence_of_nothing_at_all_is_a_report_that_says_so() -> None:
    report = build_report(PLAN, Evidence(source=Source(name="lake"), units={}, moments={}))
    assert {one.decision for one in report.verdicts} == {Decision.DO_NOT_TRUST}
    assert [finding.check for finding in report.findings if finding.severity is Severity.FAILURE] == ["empty_arms"]


def test_the_planned_alpha_is_used() -> None:
    assert build_report(replace(PLAN, alpha=0.01), EVIDENCE).metrics[0].comparisons[0].alpha == 0.01


@pytest.mark.parametrize("arms", [(), (PlannedArm(key="control"),)])
def test_a_plan_without_a_treatment_is_refused(arms: tuple[PlannedArm, ...]) -> None:
    with pytest.raises(InvalidInput, match="at least one treatment"):
        build_report(replace(PLAN, arms=arms), EVIDENCE)


# ---- a report with every part that there is

ARMS = ("control", "b", "c")


def shop() -> Report:
    """Two treatments, half of the planned units; revenue is capped and adjusted, satisfaction has all its scores."""
    rng = np.random.default_rng(20)
    n = 2_000
    revenue, raw, clicks, scores, halves, changes = ({} for _ in range(6))
    for arm, lift in zip(ARMS, (0.0, 400.0, 10.0), strict=True):
        before = rng.gamma(2.0, 500.0, n)
        spent = before + lift + rng.gamma(1.0, 600.0, n)
        raw[arm] = Moments.from_arrays(spent)
        revenue[arm] = Moments.from_arrays(np.minimum(spent, 5_000.0), before)
        clicks[arm] = Moments.from_arrays(rng.poisson(2.0, n).astype(float), 1.0 + rng.poisson(20.0, n))
        scores[arm] = Counts.from_values(rng.integers(1, 6, n).astype(float))
        changes[arm] = Moments.from_arrays(rng.normal(-lift / 2, 300.0, n))
        halves[arm] = [Moments.from_arrays(part) for part in np.split(np.minimum(spent, 5_000.0), 2)]
    measured = Evidence(
        source=Source(name="lake"),
        units=dict.fromkeys(ARMS, n),
        moments={
            "revenue": revenue,
            "ctr": clicks,
            "score": {arm: Moments.from_arrays(np.repeat(one.values, one.counts)) for arm, one in scores.items()},
        },
        raw={"revenue": raw},
        caps={"revenue": 5_000.0},
        values={"score": scores, "wait": scores},
        segments={
            "revenue": {
                "device": {name: {arm: halves[arm][i] for arm in ARMS} for i, name in enumerate(("app", "web"))}
            }
        },
        novelty={"revenue": changes},
        looks=Looks(fractions=(0.25, 0.5), units=3 * n, planned_units=6 * n, days=7.0),
        calibrations={
            "revenue": Calibration(
                metric="revenue",
                method="mean, adjusted",
                runs=1_000,
                units=9_000,
                false_positives=0.049,
                coverage=0.951,
                uniformity_p=0.4,
                alpha=0.05,
                passed=True,
            )
        },
    )
    return build_report(SHOP, measured)


SHOP = Plan(
    title="Coupons",
    unit=Unit.USER,
    arms=tuple(PlannedArm(key=arm, name=arm.upper()) for arm in ARMS),
    metrics=(
        PlannedMetric(
            key="revenue",
            name="Revenue",
            kind=Kind.MEAN,
            role=Role.PRIMARY,
            scale=Scale.MONEY,
            covariates=("revenue before",),
            winsor=0.99,
        ),
        PlannedMetric(key="ctr", name="CTR", kind=Kind.RATIO, role=Role.GUARDRAIL, scale=Scale.SHARE, margin=0.1),
        PlannedMetric(key="score", name="Satisfaction", kind=Kind.MEAN),
        PlannedMetric(key="wait", name="Waiting", kind=Kind.QUANTILE, quantile=0.9),
        PlannedMetric(key="never", name="Never", kind=Kind.MEAN),
    ),
    stopping=Stopping.SPENDING,
    planned_units=12_000,
    complete=False,
    rule=DecisionRule(strict_guardrails=True),
    prior_sd=0.1,
    currency="CNY",
)


@pytest.fixture(scope="module")
def full() -> Report:
    return shop()


def test_every_part_of_a_report_is_there(full: Report) -> None:
    revenue, ctr, score, wait, never = full.metrics
    assert revenue.correction is Correction.SIDAK
    assert revenue.reduction > 0.3
    assert revenue.cap == 5_000.0
    assert [one.name for one in revenue.alternatives] == ["raw", "unadjusted", "stratified"]
    assert [len(one) for one in (revenue.posteriors, revenue.segments, revenue.novelty)] == [2, 2, 2]
    assert revenue.calibration is not None
    assert [one.standing for one in ctr.guardrails] == [Standing.HOLDS, Standing.HOLDS]
    assert len(score.superiorities) == 2
    assert [one.correction for one in (score, wait, never)] == [Correction.FALSE_DISCOVERY] * 3
    assert never.comparisons[0].reasons == (Reason.NO_UNITS,)
    first, second = full.verdicts
    assert (first.action, second.action) == (Action.SHIP, Action.KEEP_RUNNING)
    assert first.money is not None
    assert first.change is not None
    assert len(first.notes) == 1
    assert second.notes == ()
    assert full.looks.units == 6_000


def test_all_of_it_is_frozen_and_thawed_without_loss(full: Report) -> None:
    frozen = json.loads(json.dumps(freeze(full), allow_nan=False))
    thawed = thaw(frozen)
    assert freeze(thawed) == frozen
    # repr, because nan is not equal to itself
    for part in ("plan", "source", "exclusions", "findings", "verdicts", "metrics", "looks"):
        assert repr(getattr(thawed, part)) == repr(getattr(full, part)), part
    assert to_text(thawed) == to_text(full)
    assert to_markdown(thawed) == to_markdown(full)


def test_strict_json_has_every_part_in_its_place(full: Report) -> None:
    data = json.loads(json.dumps(report_to_json(full), allow_nan=False))
    revenue, ctr, score = data["metrics"][:3]
    assert data["plan"]["stopping"] == "spending"
    assert data["looks"]["fractions"] == [0.25, 0.5]
    assert revenue["correction"] == "sidak"
    assert [one["name"] for one in revenue["alternatives"]] == ["raw", "unadjusted", "stratified"]
    assert revenue["alternatives"][0]["comparisons"][0]["significant"] is True
    assert revenue["calibration"]["passed"] is True
    assert revenue["segments"][0]["segments"][0]["segment"] == "app"
    assert ctr["guardrails"][0]["standing"] == "holds"
    assert score["superiorities"][0]["arm"] == "b"
    assert data["metrics"][4]["cap"] is None
    assert data["verdicts"][0]["action"] == "ship"
    assert data["verdicts"][0]["notes"][0]["text"].startswith("Effects that end an experiment this early")
    assert "CNY" in data["verdicts"][0]["money"]["text"]


def test_the_frame_has_one_row_per_metric_and_treatment_with_all_that_judged_it(full: Report) -> None:
    frame = report_to_frame(full)
    assert list(zip(frame["metric"], frame["arm"], strict=True)) == [
        (metric.key, arm) for metric in SHOP.metrics for arm in ("b", "c")
    ]
    assert {
        "effect", "se", "df", "ci_low", "ci_high", "p_value", "log_p", "rel_effect", "rel_ci_low", "rel_ci_high",
        "alpha", "critical", "unadjusted_p", "correction", "reduction", "cap", "chance_to_beat", "expected_loss",
        "guardrail", "significant", "reasons", "role", "control", "control_n", "n", "control_mean", "mean",
    } == set(frame.columns) - {"metric", "arm"}  # fmt: skip
    first = frame.iloc[0]
    shown = full.metrics[0].comparisons[0]
    assert (first["critical"], first["unadjusted_p"]) == (shown.critical, shown.unadjusted_p)
    assert (first["correction"], first["cap"]) == ("sidak", 5_000.0)
    assert first["chance_to_beat"] == full.metrics[0].posteriors[0].chance_to_beat
    assert frame["guardrail"].tolist() == ["", "", "holds", "holds", *[""] * 6]
    assert ((frame["ci_low"] > 0) | (frame["ci_high"] < 0)).tolist() == frame["significant"].tolist()


def test_spending_without_planned_units_is_refused() -> None:
    with pytest.raises(InvalidInput, match="planned_units"):
        build_report(replace(PLAN, stopping=Stopping.SPENDING), EVIDENCE)


# ---- real data


@pytest.mark.real_data
def test_hillstroms_two_mails_are_judged_together_against_none(real_data: Path) -> None:
    """64,000 customers in three arms: visits decide, spend beside it; Dunnett against scipy's and statsmodels' t."""
    frame = pd.read_csv(real_data / "hillstrom.csv.gz")
    arms = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    groups = {arm: frame[frame["treatment"] == arm] for arm in arms}
    visits = {arm: Moments.from_arrays(one["visit"].to_numpy(dtype=float)) for arm, one in groups.items()}
    spend = {arm: Moments.from_arrays(100 * one["spend"].to_numpy(dtype=float)) for arm, one in groups.items()}
    plan = Plan(
        title="Hillstrom",
        unit=Unit.USER,
        arms=tuple(PlannedArm(key=arm) for arm in arms),
        metrics=(
            PlannedMetric(key="visit", name="Visits", kind=Kind.PROPORTION, role=Role.PRIMARY, scale=Scale.SHARE),
            PlannedMetric(
                key="spend", name="Spend", kind=Kind.MEAN, role=Role.GUARDRAIL, scale=Scale.MONEY, margin=0.05
            ),
        ),
        currency="USD",
    )
    report = build_report(
        plan,
        Evidence(
            source=Source(name="hillstrom"),
            units={arm: len(one) for arm, one in groups.items()},
            moments={"visit": visits, "spend": spend},
        ),
    )
    for result, column, factor in zip(report.metrics, ("visit", "spend"), (1, 100), strict=True):
        assert result.correction is Correction.DUNNETT
        theirs = stats.dunnett(
            *(groups[arm][column] for arm in arms[1:]), control=groups[arms[0]][column], rng=np.random.default_rng(1)
        )
        interval = theirs.confidence_interval()
        for i, one in enumerate(result.comparisons):
            # scipy pools one variance over all arms and integrates by a random rule; ours keeps each arm's own
            welch = stats.ttest_ind(groups[one.arm][column], groups[arms[0]][column], equal_var=False)
            assert one.unadjusted_p == pytest.approx(welch.pvalue, rel=1e-9)
            assert one.effect == pytest.approx(
                factor * (groups[one.arm][column].mean() - groups[arms[0]][column].mean())
            )
            assert 1.96 < one.critical < 2.24  # of one comparison, and of Šidák's two
            assert one.p_value > one.unadjusted_p
            width = (interval.high[i] - interval.low[i]) * factor
            assert one.ci_high - one.ci_low == pytest.approx(width, rel=0.15)
            assert one.significant
    assert [one.action for one in report.verdicts] == [Action.SHIP, Action.SHIP]
    assert [one.standing for one in report.metrics[1].guardrails] == [Standing.HOLDS, Standing.HOLDS]
    mens = report.metrics[0].comparisons[0]
    assert mens.effect == pytest.approx(0.0766, abs=1e-4)
    assert mens.critical == pytest.approx(2.21, abs=0.02)
    assert report.verdicts[0].money is not None
    assert report.verdicts[0].money.text.startswith(
        "Had all 64,000 units seen Mens E-Mail, Spend would differ by USD +49,"
    )
