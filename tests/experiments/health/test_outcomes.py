import math
from dataclasses import replace

import pytest
from scipy import stats

from experiments.contracts import PlannedArm, Severity
from experiments.health import outcomes
from experiments.health.context import HealthContext
from experiments.health.outcomes import evenness_p
from tests.experiments.health.healthy import HEALTHY, PLAN, by_arm, moments

N = 10_000


def missing(control: int, treatment: int, *, metric: str = "orders", immature: int = 0) -> HealthContext:
    return replace(
        HEALTHY,
        units={"control": N, "treatment": N},
        moments={metric: by_arm(moments(N - control), moments(N - treatment))},
        immature={metric: immature},
    )


def test_where_every_unit_has_a_value_nothing_is_missing() -> None:
    assert outcomes.check(missing(0, 0)).message.text == "No outcome is missing."


def test_units_that_had_no_time_to_respond_are_not_missing() -> None:
    assert outcomes.check(missing(3_000, 3_500, immature=6_500)).message.text == "No outcome is missing."


def test_few_that_are_missing_evenly_are_counted() -> None:
    finding = outcomes.check(missing(100, 120))
    assert finding.severity is Severity.OK
    assert finding.message.text == "1.10% of the outcomes of Orders are missing, evenly enough between the arms."


@pytest.mark.parametrize(("count", "severity"), [(500, Severity.OK), (501, Severity.WARNING)])
def test_more_than_five_percent_is_a_warning(count: int, severity: Severity) -> None:
    assert outcomes.check(missing(count, count)).severity is severity


def test_the_share_is_of_the_units_that_had_time_to_respond() -> None:
    text = outcomes.check(missing(5_500, 5_500, immature=10_000)).message.text
    assert text.startswith("10.0% of the outcomes of Orders are missing")


def test_missing_unevenly_from_the_primary_metric_vetoes_the_verdict() -> None:
    finding = outcomes.check(missing(200, 400))
    assert finding.severity is Severity.FAILURE
    assert finding.message.text == (
        "Outcomes of Orders are missing unevenly: of Everybody 2.00%, of Likely to join 4.00% (p = 1.1e-16)."
    )
    assert finding.action


def test_missing_unevenly_elsewhere_or_by_little_is_a_warning() -> None:
    assert outcomes.check(missing(200, 400, metric="clicks")).severity is Severity.WARNING
    finding = outcomes.check(missing(10, 60))
    assert finding.severity is Severity.WARNING
    assert "unevenly" in finding.message.text


def test_the_worst_metric_is_named() -> None:
    context = missing(0, 0)
    orders, clicks = by_arm(moments(9_000), moments(9_000)), by_arm(moments(9_990), moments(9_940))
    worst = outcomes.check(replace(context, moments={"orders": orders, "clicks": clicks}, immature={}))
    assert "Clicks are missing unevenly" in worst.message.text


@pytest.mark.parametrize(
    ("absent", "units"), [([30, 50], [1_000, 1_000]), ([5, 9, 40], [300, 500, 2_000]), ([52, 18], [900, 100])]
)
def test_the_test_of_evenness_agrees_with_scipy(absent: list[int], units: list[int]) -> None:
    table = [absent, [n - x for x, n in zip(absent, units, strict=True)]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert evenness_p(absent, units) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("absent", "units"), [([1, 2], [100, 100]), ([5, 5], [5, 5]), ([5], [100]), ([9, 0], [10, 0])])
def test_too_few_for_the_chi_square_distribution_are_not_tested(absent: list[int], units: list[int]) -> None:
    assert math.isnan(evenness_p(absent, units))


def test_an_arm_that_was_not_measured_at_all_is_missing() -> None:
    context = missing(0, 0)
    finding = outcomes.check(replace(context, moments={"orders": {"control": moments(N)}}))
    assert finding.severity is Severity.FAILURE
    assert "of Likely to join 100.00% (p = <1e-" in finding.message.text


def test_more_values_than_units_are_nothing_missing() -> None:
    assert outcomes.check(missing(-5, -10)).severity is Severity.OK


def test_an_arm_without_units_is_another_checks_business() -> None:
    plan = replace(PLAN, arms=(*PLAN.arms, PlannedArm(key="third")))
    assert outcomes.check(replace(missing(0, 0), plan=plan)).severity is Severity.OK


def test_a_score_that_only_some_units_give_is_not_missing() -> None:
    few = {**HEALTHY.moments, "clicks": by_arm(moments(100), moments(101))}
    context = replace(HEALTHY, moments=few)
    assert outcomes.check(context).severity is Severity.WARNING
    scored = replace(context, responses={"clicks": {"control": 100, "treatment": 101}})
    assert outcomes.check(scored).severity is Severity.OK
