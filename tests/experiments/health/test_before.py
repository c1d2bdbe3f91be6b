from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from experiments.contracts import PlannedArm, Severity
from experiments.health import before
from experiments.health.context import HealthContext
from experiments.health.differences import differences
from experiments.stats.moments import Moments
from tests.experiments.health.healthy import HEALTHY, PLAN, by_arm, moments


def knowing(**known: tuple[Moments, Moments]) -> HealthContext:
    return replace(HEALTHY, before={name: by_arm(*arms) for name, arms in known.items()})


def test_arms_that_were_alike_say_how_much_was_compared_and_the_smallest_p_value() -> None:
    finding = before.check(
        knowing(age=(moments(1_000), moments(1_000, 2.05)), orders=(moments(1_000), moments(1_000, 2.01)))
    )
    assert finding.severity is Severity.OK
    assert finding.message.text == (
        "The arms were alike before exposure (covariates: 2, comparisons: 2): "
        "the smallest p-value is 0.2637, of age in Likely to join."
    )


def test_the_p_value_is_that_of_welch() -> None:
    rng = np.random.default_rng(1)
    control, treatment = rng.normal(0, 1, 300), rng.normal(0.2, 3, 200)
    (found,) = differences(knowing(age=(Moments.from_arrays(control), Moments.from_arrays(treatment))))
    assert found.p_value == pytest.approx(stats.ttest_ind(treatment, control, equal_var=False).pvalue, rel=1e-9)
    sd = np.sqrt((control.var(ddof=1) + treatment.var(ddof=1)) / 2)
    assert found.standardised == pytest.approx((treatment.mean() - control.mean()) / sd)


@pytest.mark.parametrize(("z", "severity"), [(3.28, Severity.OK), (3.31, Severity.WARNING), (-3.31, Severity.WARNING)])
def test_a_p_value_below_one_in_a_thousand_is_a_warning(z: float, severity: Severity) -> None:
    treatment = moments(10_000, 2.0 + z * (2 / 10_000) ** 0.5)
    assert before.check(knowing(age=(moments(10_000), treatment))).severity is severity


def test_the_worst_difference_is_named_and_the_others_are_counted() -> None:
    finding = before.check(
        knowing(
            age=(moments(10_000), moments(10_000, 2.06)),
            orders=(moments(10_000), moments(10_000, 1.92)),
            visits=(moments(10_000), moments(10_000, 2.01)),
        )
    )
    assert finding.message.text == (
        "The arms differed before exposure: orders of Likely to join was -0.080 standard deviations from that of "
        "Everybody (p = 1.6e-08; below 0.001 are 2 of 3 comparisons)."
    )
    assert finding.action


def test_every_treatment_is_compared_with_the_control() -> None:
    plan = replace(PLAN, arms=(*PLAN.arms, PlannedArm(key="third", name="Third")))
    known = {"age": {**by_arm(moments(10_000), moments(10_000)), "third": moments(10_000, 2.1)}}
    text = before.check(replace(HEALTHY, plan=plan, before=known)).message.text
    assert "age of Third" in text
    assert "1 of 2 comparisons" in text


def test_the_order_of_surprise_holds_where_p_values_underflow() -> None:
    context = knowing(
        age=(moments(10**6), moments(10**6, 3.0)),
        orders=(moments(10**6), moments(10**6, 4.0)),
    )
    assert [found.covariate for found in differences(context)] == ["orders", "age"]
    assert "(p = <1e-" in before.check(context).message.text


@pytest.mark.parametrize(
    ("control", "treatment"),
    [
        (Moments.empty(1), moments(500)),
        (moments(1), moments(500)),
        (moments(500, 2.0, 0.0), moments(500, 2.0, 0.0)),
        (Moments.from_arrays([float("nan"), 1.0]), moments(500)),
    ],
)
def test_what_cannot_be_compared_is_not_counted(control: Moments, treatment: Moments) -> None:
    finding = before.check(knowing(age=(control, treatment)))
    assert finding.severity is Severity.OK
    assert finding.message.text == "Nothing is known from before exposure by which the arms could be compared."


def test_arms_that_each_hold_one_of_two_values_differ_as_a_random_deal_would_hardly_do() -> None:
    (found,) = differences(knowing(member=(moments(3, 0.0, 0.0), moments(4, 1.0, 0.0))))
    assert found.p_value == pytest.approx(1 / 35)
    many = before.check(knowing(member=(moments(500, 0.0, 0.0), moments(510, 1.0, 0.0))))
    assert many.severity is Severity.WARNING
    assert "member of Likely to join was +∞ standard deviations" in many.message.text
