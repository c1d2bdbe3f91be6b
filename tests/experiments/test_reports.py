import math
from dataclasses import replace

import pytest

from experiments.contracts import Decision, Kind, Plan, PlannedArm, PlannedMetric, Reason, Severity, Source, Unit
from experiments.errors import InvalidInput
from experiments.reports import Evidence, build_report
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
