from dataclasses import replace

import pytest

from experiments.contracts import Looks, Severity, Stopping
from experiments.health import overrun
from experiments.health.context import HealthContext
from tests.experiments.health.healthy import HEALTHY, PLAN


def reached(units: int, planned: int | None = 1_000, stopping: Stopping = Stopping.SPENDING) -> HealthContext:
    return replace(HEALTHY, plan=replace(PLAN, stopping=stopping), looks=Looks(units=units, planned_units=planned))


@pytest.mark.parametrize(("units", "severity"), [(0, Severity.OK), (1_050, Severity.OK), (1_051, Severity.WARNING)])
def test_more_than_a_twentieth_beyond_the_plan_is_a_warning(units: int, severity: Severity) -> None:
    finding = overrun.check(reached(units))
    assert finding.severity is severity
    assert (finding.action is None) == (severity is Severity.OK)


def test_what_came_and_what_was_planned_are_told() -> None:
    assert overrun.check(reached(400)).message.text == "400 of 1,000 planned units are in."
    assert overrun.check(reached(1_500)).message.text == (
        "1,500 units are in where 1,000 were planned: the error rate is spent, so a later look settles nothing."
    )


@pytest.mark.parametrize("context", [reached(5_000, stopping=Stopping.SEQUENCE), reached(5_000, planned=None)])
def test_without_a_planned_end_nothing_is_overrun(context: HealthContext) -> None:
    finding = overrun.check(context)
    assert finding.severity is Severity.OK
    assert finding.message.text == "The stopping plan has no end that could be overrun."


def test_a_second_look_with_all_planned_units_is_a_warning() -> None:
    context = reached(1_010)
    again = replace(context, looks=replace(context.looks, after_end=1))
    assert overrun.check(context).severity is Severity.OK
    assert overrun.check(again).severity is Severity.WARNING
