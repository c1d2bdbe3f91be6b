from dataclasses import replace

import pytest

from experiments.contracts import Severity
from experiments.health import immature
from tests.experiments.health.healthy import HEALTHY, PLAN

TEN = replace(HEALTHY, units={"control": 5, "treatment": 5})


@pytest.mark.parametrize(
    ("count", "severity"), [(0, Severity.OK), (5, Severity.OK), (6, Severity.WARNING), (10, Severity.WARNING)]
)
def test_more_than_half_of_the_units_is_a_warning(count: int, severity: Severity) -> None:
    finding = immature.check(replace(TEN, immature={"orders": count}))
    assert finding.severity is severity
    assert (finding.action is None) == (severity is Severity.OK)


def test_the_share_and_the_metric_are_named() -> None:
    assert immature.check(replace(TEN, immature={"orders": 6})).message.text == (
        "60% of the units have not had time to respond on Orders: the result is about those who came first."
    )
    assert immature.check(replace(TEN, immature={"orders": 2})).message.text == (
        "20% of the units have not had time to respond on Orders, and do not count yet."
    )


def test_only_the_primary_metric_counts() -> None:
    assert immature.check(replace(TEN, immature={"clicks": 10})).message.text == "Every unit had time to respond."


@pytest.mark.parametrize("units", [{}, {"control": 0}])
def test_no_units_wait_for_nothing(units: dict[str, int]) -> None:
    assert immature.check(replace(TEN, units=units, immature={"orders": 3})).severity is Severity.OK


def test_without_metrics_nothing_is_waited_for() -> None:
    assert immature.check(replace(TEN, plan=replace(PLAN, metrics=()))).severity is Severity.OK
