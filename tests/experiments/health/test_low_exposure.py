import math
from dataclasses import replace

import pytest

from experiments.contracts import Looks, Severity
from experiments.health import low_exposure
from experiments.health.context import HealthContext
from tests.experiments.health.healthy import HEALTHY, PLAN


def pace(units: int, planned: int | None, days: float, *, complete: bool = False) -> HealthContext:
    return replace(
        HEALTHY,
        plan=replace(PLAN, complete=complete),
        looks=Looks(units=units, planned_units=planned, days=days),
    )


@pytest.mark.parametrize(("n", "severity"), [(0, Severity.WARNING), (99, Severity.WARNING), (100, Severity.OK)])
def test_an_arm_with_fewer_than_a_hundred_units_is_a_warning(n: int, severity: Severity) -> None:
    finding = low_exposure.check(replace(HEALTHY, units={"control": 5_000, "treatment": n}))
    assert finding.severity is severity
    assert (finding.action is None) == (severity is Severity.OK)


def test_the_smallest_arm_is_named() -> None:
    assert low_exposure.check(replace(HEALTHY, units={"control": 5_000, "treatment": 42})).message.text == (
        "Likely to join has 42 units: too few to rely on normal intervals, which want 100."
    )


@pytest.mark.parametrize(
    ("days", "severity"), [(6.9, Severity.OK), (7.0, Severity.WARNING), (math.nan, Severity.OK), (0.0, Severity.OK)]
)
def test_a_pace_is_told_after_a_week(days: float, severity: Severity) -> None:
    assert low_exposure.check(pace(990, 100_000, days)).severity is severity


@pytest.mark.parametrize(("units", "severity"), [(1_000, Severity.OK), (999, Severity.WARNING)])
def test_an_end_that_is_more_than_half_a_year_away_is_a_warning(units: int, severity: Severity) -> None:
    assert low_exposure.check(pace(units, 18_000, 10.0)).severity is severity


def test_the_days_that_it_would_take_are_told() -> None:
    assert low_exposure.check(pace(1_010, 50_500, 10.0)).message.text == (
        "At the pace so far the planned 50,500 units take 500 days; 1,010 came in 10."
    )


@pytest.mark.parametrize(
    "context", [pace(1_010, None, 10.0), pace(0, 50_500, 10.0), pace(1_010, 50_500, 10.0, complete=True)]
)
def test_without_an_end_to_come_no_pace_is_too_slow(context: HealthContext) -> None:
    assert low_exposure.check(context).severity is Severity.OK
