from dataclasses import replace

import pytest
from scipy import stats

from experiments.contracts import Severity
from experiments.health import responses
from tests.experiments.health.healthy import HEALTHY

UNITS = {"control": 1_000, "treatment": 1_000}


def asked(control: int, treatment: int, units: dict[str, int] = UNITS):
    given = {"control": control, "treatment": treatment}
    return responses.check(replace(HEALTHY, units=units, responses={"clicks": given}))


def test_equal_rates_pass_with_their_share() -> None:
    finding = asked(150, 152)
    assert finding.severity is Severity.OK
    assert "Clicks, 15.1% of the units" in finding.message.text


def test_the_p_value_is_that_of_the_chi_square_test() -> None:
    p = stats.chi2_contingency([[150, 850], [200, 800]], correction=False).pvalue
    finding = asked(150, 200)
    assert finding.severity is Severity.WARNING
    assert finding.action is not None
    assert f"(p = {p:.4f})" in finding.message.text
    assert "Everybody 15.0%, Likely to join 20.0%" in finding.message.text


@pytest.mark.parametrize(("control", "treatment"), [(0, 0), (3, 4), (1_000, 1_000), (997, 999)])
def test_too_few_with_or_without_an_answer_are_not_judged(control: int, treatment: int) -> None:
    finding = asked(control, treatment)
    assert finding.severity is Severity.OK
    assert "too few" in finding.message.text


def test_no_units_are_no_error() -> None:
    assert asked(0, 0, {"control": 0, "treatment": 0}).severity is Severity.OK


def test_without_scores_there_is_nothing_to_ask() -> None:
    finding = responses.check(HEALTHY)
    assert finding.message.text == "No metric is a score that only some units give."
