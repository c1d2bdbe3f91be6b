from dataclasses import replace

import pytest

from experiments.contracts import Severity
from experiments.health import before, not_randomised
from experiments.health.context import HealthContext
from experiments.stats.moments import Moments
from tests.experiments.health.healthy import HEALTHY, by_arm, moments


def knowing(n: int, *means: float) -> HealthContext:
    """One covariate for each mean of the treatment; the control's is 2, the standard deviation 1."""
    known = {f"c{i}": by_arm(moments(n), moments(n, mean)) for i, mean in enumerate(means)}
    return replace(HEALTHY, before=known)


def test_what_was_known_before_exposure_and_says_the_arm_vetoes_the_verdict() -> None:
    finding = not_randomised.check(knowing(10_000, 2.01, 2.25))
    assert finding.severity is Severity.FAILURE
    assert finding.message.text == (
        "The arms were not formed at random: before exposure, c1 of Likely to join was 0.250 standard deviations from "
        "that of Everybody (p = <1e-68 for all 2 comparisons together)."
    )
    assert finding.action


@pytest.mark.parametrize(
    ("n", "mean", "severity"),
    [
        (10_000, 2.11, Severity.FAILURE),
        (10_000, 1.89, Severity.FAILURE),
        (1_000_000, 2.09, Severity.OK),  # not chance, but little beside the spread of the units
        (100, 2.5, Severity.OK),  # much, but chance does it more often than once in a million times
    ],
)
def test_a_veto_wants_a_difference_that_is_both_large_and_no_chance(n: int, mean: float, severity: Severity) -> None:
    context = knowing(n, mean)
    assert not_randomised.check(context).severity is severity
    assert before.check(context).severity is Severity.WARNING


def test_more_comparisons_want_a_smaller_p_value() -> None:
    mean = 2 + 4.95 * (2 / 2_000) ** 0.5  # p = 7.4e-7
    assert not_randomised.check(knowing(2_000, mean)).severity is Severity.FAILURE
    assert not_randomised.check(knowing(2_000, mean, 2.0)).severity is Severity.OK


def test_both_must_hold_for_one_comparison() -> None:
    known = {
        "sure but small": by_arm(moments(10**6), moments(10**6, 2.05)),
        "large but unsure": by_arm(moments(50), moments(50, 2.3)),
    }
    finding = not_randomised.check(replace(HEALTHY, before=known))
    assert finding.severity is Severity.OK
    assert finding.message.text == (
        "The arms can be compared: before exposure they differed by at most 0.30 standard deviations "
        "(large but unsure in Likely to join)."
    )


def test_an_arm_of_members_against_an_arm_of_others_is_not_random() -> None:
    known = {"member": by_arm(moments(500, 0.0, 0.0), moments(510, 1.0, 0.0))}
    finding = not_randomised.check(replace(HEALTHY, before=known))
    assert finding.severity is Severity.FAILURE
    assert "∞ standard deviations" in finding.message.text


def test_a_handful_of_units_is_no_proof() -> None:
    known = {"member": by_arm(moments(5, 0.0, 0.0), moments(5, 1.0, 0.0))}
    assert not_randomised.check(replace(HEALTHY, before=known)).severity is Severity.OK


@pytest.mark.parametrize("known", [{}, {"age": {}}, {"age": {"control": Moments.empty(1)}}])
def test_where_nothing_is_known_only_the_plan_speaks_for_randomness(known: dict[str, dict[str, Moments]]) -> None:
    finding = not_randomised.check(replace(HEALTHY, before=known))
    assert finding.severity is Severity.OK
    assert "only the plan says" in finding.message.text
