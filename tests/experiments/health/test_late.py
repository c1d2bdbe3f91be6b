from dataclasses import replace

import pytest

from experiments.contracts import Severity
from experiments.health import late
from tests.experiments.health.healthy import HEALTHY


@pytest.mark.parametrize(
    ("count", "severity"), [(0, Severity.OK), (10, Severity.OK), (11, Severity.WARNING), (1_000, Severity.WARNING)]
)
def test_more_than_one_percent_is_a_warning(count: int, severity: Severity) -> None:
    finding = late.check(replace(HEALTHY, late_events=count, events=1_000))
    assert finding.severity is severity
    assert (finding.action is None) == (severity is Severity.OK)


def test_the_share_is_told() -> None:
    finding = late.check(replace(HEALTHY, late_events=25, events=1_000))
    assert finding.message.text == (
        "2.50% of the events arrived more than a day late, so the last day is not complete yet."
    )


def test_without_events_nothing_can_be_late() -> None:
    finding = late.check(replace(HEALTHY, late_events=0, events=0))
    assert finding.severity is Severity.OK
    assert finding.message.text == "There are no events whose arrival could be checked."
