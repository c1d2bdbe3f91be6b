import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.contracts import (
    Action,
    Decision,
    DecisionRule,
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
    Stopping,
    Unit,
)
from experiments.inference.metrics import infer
from experiments.inference.primary import primary_metric
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments
from experiments.verdict.judgement import judge
from tests.experiments.inference.planned import evidence

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


def test_a_failed_check_vetoes_whatever_the_rule_would_do_with_the_evidence() -> None:
    failure = Finding(check="split", severity=Severity.FAILURE, message=Message(template=""))
    for action in (Action.SHIP, Action.KEEP_RUNNING, Action.ROLL_BACK):
        plan = replace(PLAN, rule=DecisionRule(if_unsettled=action))
        for treatment in (9, 10, 11):
            (verdict,) = judge(plan, [result(ORDERS, arm(10), arm(treatment))], [failure], Looks())
            assert (verdict.decision, verdict.action) == (Decision.DO_NOT_TRUST, Action.DO_NOT_TRUST)
            assert (verdict.money, verdict.change, verdict.notes) == (None, None, ())


def test_several_failed_checks_are_counted_and_named() -> None:
    failures = [
        Finding(check=key, severity=Severity.FAILURE, message=Message(template="")) for key in ("split", "late")
    ]
    (verdict,) = judge(PLAN, [result(ORDERS, arm(10), arm(11))], failures, Looks())
    assert "2 of the trust checks failed (split, late)" in verdict.message.text


# ---- the action and what stands beside it

STANDARD_LOOKS = Looks(fractions=(0.2, 0.4, 0.6), units=2_400, planned_units=4_000, days=6.0)
EARLY = replace(PLAN, stopping=Stopping.SPENDING, planned_units=4_000, complete=False)


@pytest.mark.parametrize(
    ("treatment", "action"), [(11, Action.SHIP), (9, Action.ROLL_BACK), (10.01, Action.KEEP_RUNNING)]
)
def test_the_action_follows_the_decision(treatment: float, action: Action) -> None:
    (verdict,) = judge(EARLY, [result(ORDERS, arm(10), arm(treatment))], [], STANDARD_LOOKS)
    assert verdict.action is action


def test_a_harmed_guardrail_rolls_back_what_is_better() -> None:
    guarded = replace(RETURNS, role=Role.GUARDRAIL, margin=0.02)
    plan = replace(PLAN, metrics=(ORDERS, guarded))
    measured = {
        "orders": {"control": arm(10), "treatment": arm(11)},
        "returns": {"control": arm(10), "treatment": arm(12)},
    }
    (verdict,) = judge(plan, infer(plan, evidence(measured)), [], Looks())
    assert (verdict.decision, verdict.action) == (Decision.BETTER, Action.ROLL_BACK)
    assert verdict.change is not None
    assert verdict.change.text.startswith("Returns is worse beyond chance: +20.0%")


def test_the_margin_of_a_guardrail_decides_whether_strictness_asks_for_proof() -> None:
    strict = DecisionRule(strict_guardrails=True)
    measured = {
        "orders": {"control": arm(10), "treatment": arm(11)},
        "returns": {"control": arm(10), "treatment": arm(10)},
    }
    for margin, action in ((0.001, Action.ROLL_BACK), (None, Action.SHIP), (0.5, Action.SHIP)):
        plan = replace(PLAN, metrics=(ORDERS, replace(RETURNS, role=Role.GUARDRAIL, margin=margin)), rule=strict)
        (verdict,) = judge(plan, infer(plan, evidence(measured)), [], Looks())
        assert verdict.action is action, margin


def test_money_and_what_would_change_it_stand_beside_the_sentence() -> None:
    revenue = replace(ORDERS, scale=Scale.MONEY)
    plan = replace(EARLY, metrics=(revenue,), currency="CNY")
    (verdict,) = judge(plan, [result(revenue, arm(1_000, 1e4), arm(1_001, 1e4))], [], STANDARD_LOOKS)
    assert verdict.money is not None
    assert verdict.change is not None
    # by hand: se = 100 √(2 / 400) = 7.07 cents; (1 ± 13.88) · 800 users
    assert verdict.money.text == (
        "Had all 800 units seen Likely to join, Orders would differ by CNY +8 in all "
        "(95% interval CNY -103 to CNY +119)."
    )
    assert verdict.change.text == "2,400 of 4,000 planned units are in (60%); at the pace so far the rest takes 4 days."


# ---- exaggeration


def notes(plan: Plan, treatment: float, looks: Looks = STANDARD_LOOKS) -> list[str]:
    (verdict,) = judge(plan, [result(ORDERS, arm(10), arm(treatment))], [], looks)
    return [note.text for note in verdict.notes]


def test_an_effect_that_ends_an_experiment_early_is_said_to_be_exaggerated() -> None:
    assert notes(EARLY, 11) == [
        "Effects that end an experiment this early are exaggerated: on average by about 1.5 times."
    ]
    assert notes(EARLY, 9) == notes(EARLY, 11)


def test_the_exaggeration_is_what_a_simulation_finds() -> None:
    """Experiments of 80 % power that first cross O'Brien and Fleming's bounds at the third of five looks."""
    rng = np.random.default_rng(11)
    drift = 1.959964 + 0.841621
    steps = rng.normal(0.2 * drift, math.sqrt(0.2), (200_000, 3)).cumsum(axis=1)
    z = steps / np.sqrt([0.2, 0.4, 0.6])
    stops = (np.abs(z[:, 0]) < 4.877) & (np.abs(z[:, 1]) < 3.357) & (z[:, 2] >= 2.680)
    times = (steps[stops, 2] / 0.6).mean() / drift
    assert f"about {times:.1f} times" in notes(EARLY, 11)[0]
    assert times == pytest.approx(1.474, abs=0.005)


@pytest.mark.parametrize(
    ("plan", "treatment", "looks"),
    [
        (EARLY, 10.01, STANDARD_LOOKS),
        (EARLY, 11, replace(STANDARD_LOOKS, fractions=(0.5, 1.0))),
        (EARLY, 11, replace(STANDARD_LOOKS, fractions=())),
        (replace(EARLY, stopping=Stopping.ONCE), 11, STANDARD_LOOKS),
        (replace(EARLY, stopping=Stopping.SEQUENCE), 11, STANDARD_LOOKS),
        (EARLY, 11, replace(STANDARD_LOOKS, fractions=(0.02,))),
    ],
    ids=["not settled", "at the end", "no look", "one look", "a sequence", "a stop that practically never happens"],
)
def test_any_other_effect_has_no_note(plan: Plan, treatment: float, looks: Looks) -> None:
    assert notes(plan, treatment, looks) == []


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
    assert (verdict.action, verdict.change) == (Action.KEEP_RUNNING, None)
