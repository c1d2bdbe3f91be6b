import math
from dataclasses import replace

import pytest

from experiments.contracts import Kind, PlannedArm, Severity
from experiments.health import skew
from experiments.health.context import HealthContext
from tests.experiments.health.healthy import HEALTHY, PLAN, by_arm, moments


def skewed(control: int, treatment: int, value: float) -> HealthContext:
    return replace(
        HEALTHY,
        moments={"orders": by_arm(moments(control), moments(treatment))},
        skew={"orders": value},
    )


def test_a_small_arm_with_too_few_units_is_named_with_what_it_needs() -> None:
    finding = skew.check(skewed(90_000, 10_000, 12.0))
    assert finding.severity is Severity.WARNING
    assert finding.message.text == (
        "Orders is so skewed (12.0) that the smaller of two unequal arms needs 51,120 units: "
        "Likely to join has 10,000 and is called worse too often where there is no effect."
    )
    assert finding.action
    assert "Cap the metric" in finding.action.text


def test_a_small_control_is_seen_as_well() -> None:
    assert "Everybody has 10,000" in skew.check(skewed(10_000, 90_000, 12.0)).message.text


def test_skewed_to_the_left_the_small_arm_is_called_better() -> None:
    assert "called better too often" in skew.check(skewed(90_000, 10_000, -12.0)).message.text


@pytest.mark.parametrize(("n", "severity"), [(3_195, Severity.OK), (3_194, Severity.WARNING)])
def test_355_times_the_squared_skewness_is_enough(n: int, severity: Severity) -> None:
    assert skew.check(skewed(9 * n, n, 3.0)).severity is severity


@pytest.mark.parametrize(
    ("control", "treatment", "severity"),
    [(1_000, 1_000, Severity.OK), (1_500, 1_000, Severity.OK), (1_501, 1_000, Severity.WARNING)],
)
def test_arms_up_to_sixty_to_forty_cancel_the_skewness(control: int, treatment: int, severity: Severity) -> None:
    assert skew.check(skewed(control, treatment, 12.0)).severity is severity


def test_enough_units_are_said_with_the_largest_skewness() -> None:
    text = skew.check(HEALTHY).message.text
    assert text == (
        "No metric is too skewed for the units and shares of the arms: the largest skewness is 3.0 (Orders)."
    )


def test_a_treatment_among_several_is_compared_with_the_control_only() -> None:
    plan = replace(PLAN, arms=(*PLAN.arms, PlannedArm(key="third")))
    context = skewed(5_000, 5_000, 12.0)
    orders = {**context.moments["orders"], "third": moments(2_000)}
    text = skew.check(replace(context, plan=plan, moments={"orders": orders})).message.text
    assert "third has 2,000" in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_skewness_that_is_not_known_is_not_judged(value: float) -> None:
    finding = skew.check(skewed(90_000, 10_000, value))
    assert finding.severity is Severity.OK
    assert finding.message.text == "No metric is compared whose skewness is known."


def test_only_means_are_judged() -> None:
    shares = replace(PLAN, metrics=tuple(replace(metric, kind=Kind.PROPORTION) for metric in PLAN.metrics))
    assert skew.check(replace(skewed(90_000, 10_000, 12.0), plan=shares)).severity is Severity.OK


def test_an_arm_without_units_is_another_checks_business() -> None:
    assert skew.check(skewed(90_000, 0, 12.0)).severity is Severity.OK
