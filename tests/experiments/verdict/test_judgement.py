from dataclasses import replace

import pytest

from experiments.contracts import (
    Decision,
    Direction,
    Finding,
    Kind,
    Looks,
    Message,
    MetricResult,
    Plan,
    PlannedArm,
    PlannedMetric,
    Role,
    Scale,
    Severity,
    Unit,
)
from experiments.inference.primary import primary_metric
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments
from experiments.verdict.judgement import judge

ORDERS = PlannedMetric(key="orders", name="Orders", kind=Kind.MEAN)
RETURNS = PlannedMetric(key="returns", name="Returns", kind=Kind.MEAN, direction=Direction.DECREASE)
PLAN = Plan(
    title="Coupons",
    unit=Unit.USER,
    arms=(PlannedArm(key="control", name="Everybody"), PlannedArm(key="treatment", name="Likely to join")),
    metrics=(ORDERS, RETURNS),
)


def arm(mean: float, variance: float = 1.0) -> Moments:
    return Moments.from_summary(n=400, mean=mean, variance=variance)


def result(metric: PlannedMetric, control: Moments, *treatments: Moments) -> MetricResult:
    comparisons = (
        compare(control, moments, kind=metric.kind, alpha=0.05, control_name="control", arm="treatment")
        for moments in treatments
    )
    summaries = (summarise("arm", moments, metric.kind) for moments in (control, *treatments))
    return MetricResult(metric=metric, arms=tuple(summaries), comparisons=tuple(comparisons))


def verdict_of(metric: PlannedMetric, control: Moments, treatment: Moments, currency: str = "") -> tuple[Decision, str]:
    plan = replace(PLAN, metrics=(metric,), currency=currency)
    (verdict,) = judge(plan, [result(metric, control, treatment)], [], Looks())
    assert verdict.arm == "treatment"
    return verdict.decision, verdict.message.text


@pytest.mark.parametrize(
    ("metric", "treatment", "decision"),
    [
        (ORDERS, 10.5, Decision.BETTER),
        (ORDERS, 9.5, Decision.WORSE),
        (ORDERS, 10.01, Decision.UNSETTLED),
        (RETURNS, 10.5, Decision.WORSE),
        (RETURNS, 9.5, Decision.BETTER),
    ],
)
def test_a_clear_effect_is_judged_by_its_direction(metric: PlannedMetric, treatment: float, decision: Decision) -> None:
    assert verdict_of(metric, arm(10), arm(treatment))[0] is decision


def test_the_sentence_carries_the_relative_effect_and_its_interval() -> None:
    assert verdict_of(ORDERS, arm(10), arm(10.5))[1] == (
        "Likely to join is better than Everybody on Orders: +5.00% (95% interval +3.59% to +6.43%)."
    )


def test_without_a_bounded_relative_interval_the_sentence_is_absolute() -> None:
    money = replace(ORDERS, scale=Scale.MONEY)
    decision, text = verdict_of(money, arm(0), arm(500, 1e6), currency="CNY")
    assert decision is Decision.BETTER
    assert (
        text == "Likely to join is better than Everybody on Orders: by CNY +5.00 (95% interval CNY +4.02 to CNY +5.98)."
    )


def test_a_negative_control_is_told_in_absolute_terms() -> None:
    decision, text = verdict_of(ORDERS, arm(-10), arm(-9))
    assert decision is Decision.BETTER
    assert "by +1.00 (" in text


def test_data_that_cannot_answer_is_unsettled_and_says_why() -> None:
    assert verdict_of(ORDERS, arm(10), Moments.empty(1)) == (
        Decision.UNSETTLED,
        "Likely to join cannot be compared with Everybody on Orders yet (NO_UNITS).",
    )


def test_one_failed_check_vetoes_every_verdict() -> None:
    plan = replace(PLAN, arms=(*PLAN.arms, PlannedArm(key="third")))
    findings = [
        Finding(check="split", severity=Severity.FAILURE, message=Message(template="")),
        Finding(check="left_out", severity=Severity.WARNING, message=Message(template="")),
    ]
    verdicts = judge(plan, [result(ORDERS, arm(10), arm(11), arm(12))], findings, Looks())
    assert [verdict.decision for verdict in verdicts] == [Decision.DO_NOT_TRUST] * 2
    assert verdicts[1].message.text == (
        "Do not read a result for third: 1 of the trust checks failed (split). Resolve them first."
    )


def test_a_warning_vetoes_nothing() -> None:
    warning = Finding(check="split", severity=Severity.WARNING, message=Message(template=""))
    (verdict,) = judge(PLAN, [result(ORDERS, arm(10), arm(11))], [warning], Looks())
    assert verdict.decision is Decision.BETTER


def test_the_declared_primary_metric_decides() -> None:
    primary = replace(RETURNS, role=Role.PRIMARY)
    plan = replace(PLAN, metrics=(ORDERS, primary))
    (verdict,) = judge(plan, [result(ORDERS, arm(10), arm(11)), result(primary, arm(10), arm(11))], [], Looks())
    assert verdict.decision is Decision.WORSE
    assert primary_metric(plan) == primary


def test_without_a_declared_one_the_first_metric_is_primary() -> None:
    assert primary_metric(PLAN) == ORDERS
    assert primary_metric(replace(PLAN, metrics=())) is None


def test_an_experiment_without_metrics_is_unsettled() -> None:
    (verdict,) = judge(replace(PLAN, metrics=()), [], [], Looks())
    assert verdict.decision is Decision.UNSETTLED
    assert "no metric" in verdict.message.text
