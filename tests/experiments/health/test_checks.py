import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.contracts import Exclusion, Finding, Looks, Message, PlannedArm, Severity, Source
from experiments.health import empty_arms, empty_metrics, left_out, split, two_arms, unknown_arms
from experiments.health.checks import CHECKS, Check, run_checks
from experiments.health.context import HealthContext
from experiments.stats.moments import Moments
from tests.experiments.health.healthy import HEALTHY, PLAN, by_arm, moments

DATA = Moments.from_arrays([0.0, 1.0])
NOTHING = Moments.from_arrays([0.0, 0.0])
NAN = Moments.from_arrays([math.nan, 1.0])
DOCS = Path(__file__).parents[3] / "docs" / "statistics" / "trust.md"


def units(control: int, treatment: int, *, repeated_looks: bool = False) -> HealthContext:
    plan = replace(PLAN, repeated_looks=repeated_looks)
    return replace(HEALTHY, plan=plan, units={"control": control, "treatment": treatment})


def rows_left_out(count: int, what: str = "rows") -> HealthContext:
    exclusion = Exclusion(code="NO_ARM", count=count, what=what, message=Message(template="No arm is named."))
    return replace(HEALTHY, exclusions=(exclusion,))


def crash(_context: HealthContext) -> Finding:
    raise ZeroDivisionError


def test_a_healthy_experiment_passes_every_check() -> None:
    findings = run_checks(HEALTHY)
    assert [finding.check for finding in findings] == [key for key, _ in CHECKS]
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert all(finding.message.text and finding.action is None for finding in findings)


DEGENERATE = {
    "nothing at all": HealthContext(plan=PLAN, source=Source(name=""), units={}, moments={}),
    "no metrics": replace(HEALTHY, plan=replace(PLAN, metrics=())),
    "no units": replace(
        HEALTHY,
        units={"control": 0, "treatment": 0},
        moments={key: by_arm(Moments.empty(1), Moments.empty(1)) for key in ("orders", "clicks")},
        before={"age": by_arm(Moments.empty(1), Moments.empty(1))},
        looks=Looks(planned_units=2_000),
    ),
    "one unit": replace(
        HEALTHY,
        units={"control": 1},
        moments={"orders": {"control": moments(1)}},
        before={"age": {"control": moments(1)}},
        looks=Looks(fractions=(0.0005,), units=1, planned_units=2_000, days=0.0),
    ),
    "values that are not numbers": replace(
        HEALTHY,
        moments={"orders": by_arm(NAN, NAN)},
        before={"age": by_arm(NAN, DATA)},
        skew={"orders": math.nan, "clicks": math.inf},
    ),
    "no variance": replace(
        HEALTHY,
        moments={"orders": by_arm(NOTHING, NOTHING)},
        before={"age": by_arm(NOTHING, NOTHING)},
        skew={"orders": 0.0},
    ),
    "more immature units than there are": replace(HEALTHY, immature={"orders": 5_000}),
    "a hundred million units": replace(
        HEALTHY, units={"control": 10**8, "treatment": 1}, before={"age": by_arm(moments(10**8), moments(10**8, 9e9))}
    ),
}


@pytest.mark.parametrize("repeated_looks", [False, True])
@pytest.mark.parametrize("context", DEGENERATE.values(), ids=DEGENERATE.keys())
@pytest.mark.parametrize("check", [check for _, check in CHECKS], ids=[key for key, _ in CHECKS])
def test_a_check_makes_a_sentence_of_data_that_cannot_answer(
    check: Check, context: HealthContext, *, repeated_looks: bool
) -> None:
    finding = check(replace(context, plan=replace(context.plan, repeated_looks=repeated_looks)))
    assert finding.message.text
    assert "nan" not in finding.message.text
    assert (finding.action is None) == (finding.severity is Severity.OK)


def test_a_check_that_crashes_is_named_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        first, second = run_checks(HEALTHY, checks=(("broken", crash), ("two_arms", two_arms.check)))
    assert (first.check, first.severity) == ("broken", Severity.WARNING)
    assert first.message.text == "The check “broken” could not run (ZeroDivisionError), so nothing is known about it."
    assert second.check == "two_arms"
    assert "broken" in caplog.text


def test_every_check_has_its_heading_in_the_documentation() -> None:
    headings = {line.removeprefix("## ") for line in DOCS.read_text().splitlines() if line.startswith("## ")}
    assert {f"`{key}`" for key, _ in CHECKS} == headings


def test_the_split_of_cookie_cats_is_doubtful() -> None:
    finding = split.check(units(44_700, 45_489))
    assert finding.severity is Severity.WARNING
    assert finding.message.text == (
        "Doubtful split: Everybody holds 49.56% of the units, planned were 50.00% (p = 0.0086)."
    )
    assert finding.action


@pytest.mark.parametrize(
    ("control", "treatment", "severity"),
    [(5_000, 5_200, Severity.OK), (5_000, 5_280, Severity.WARNING), (5_000, 5_350, Severity.FAILURE)],
)
def test_one_look_at_the_split_has_two_levels(control: int, treatment: int, severity: Severity) -> None:
    assert split.check(units(control, treatment)).severity is severity


def test_repeated_looks_alarm_by_evidence_of_a_hundred_to_one() -> None:
    assert split.check(units(44_700, 45_489, repeated_looks=True)).severity is Severity.OK
    finding = split.check(units(51_000, 49_000, repeated_looks=True))
    assert finding.severity is Severity.FAILURE
    assert "evidence 4e+07 to 1" in finding.message.text


def test_a_split_that_is_as_planned_says_how_little_evidence_there_is_against_it() -> None:
    text = split.check(units(44_700, 45_489, repeated_looks=True)).message.text
    assert text.endswith("planned were 50.00% (evidence against it 3.2 to 1, alarm at 100).")


def test_evidence_does_not_wait_for_units_in_a_small_arm() -> None:
    arms = (PlannedArm(key="control", weight=999), PlannedArm(key="treatment"))
    plan = replace(PLAN, arms=arms, repeated_looks=True)
    few = replace(HEALTHY, plan=plan, units={"control": 1_500, "treatment": 1})
    assert "too few units" in split.check(few).message.text
    wrong = replace(few, units={"control": 1_500, "treatment": 1_500})
    assert split.check(wrong).severity is Severity.FAILURE


def test_a_p_value_that_underflows_is_not_called_0() -> None:
    assert "(p = <1e-" in split.check(units(90_000, 10_000)).message.text


def test_a_gross_mismatch_under_repeated_looks_still_makes_a_sentence() -> None:
    assert "to 1, valid at every look" in split.check(units(9_000_000, 1_000, repeated_looks=True)).message.text


def test_the_split_is_judged_by_the_planned_weights() -> None:
    plan = replace(PLAN, arms=(PlannedArm(key="control", weight=9), PlannedArm(key="treatment", weight=1)))
    uneven = replace(HEALTHY, plan=plan, units={"control": 9_020, "treatment": 980})
    assert split.check(uneven).severity is Severity.OK
    even = split.check(replace(uneven, units={"control": 5_000, "treatment": 5_000}))
    assert even.severity is Severity.FAILURE
    assert "control holds 50.00% of the units, planned were 90.00%" in even.message.text


@pytest.mark.parametrize(("control", "treatment"), [(0, 0), (9, 0), (1, 8)])
def test_a_handful_of_units_cannot_show_a_wrong_split(control: int, treatment: int) -> None:
    finding = split.check(units(control, treatment))
    assert finding.severity is Severity.OK
    assert "too few units" in finding.message.text


@pytest.mark.parametrize(
    ("count", "severity"), [(0, Severity.OK), (1, Severity.WARNING), (10, Severity.WARNING), (11, Severity.FAILURE)]
)
def test_units_in_two_arms_warn_and_fail_above_one_percent(count: int, severity: Severity) -> None:
    assert two_arms.check(replace(HEALTHY, units_in_two_arms=count)).severity is severity


def test_units_in_two_arms_are_counted_and_shared() -> None:
    text = two_arms.check(replace(HEALTHY, units_in_two_arms=10)).message.text
    assert text == "10 units (0.98%) were seen in more than one arm and are left out."


def test_an_arm_without_units_is_a_failure() -> None:
    finding = empty_arms.check(replace(HEALTHY, units={"control": 500}))
    assert finding.severity is Severity.FAILURE
    assert finding.message.text == "No units were seen in: Likely to join."


@pytest.mark.parametrize("clicks", [{}, {"control": NOTHING, "treatment": NOTHING}, {"control": Moments.empty(1)}])
def test_a_metric_without_data_in_any_arm_is_named(clicks: dict[str, Moments]) -> None:
    finding = empty_metrics.check(replace(HEALTHY, moments={**HEALTHY.moments, "clicks": clicks}))
    assert finding.severity is Severity.WARNING
    assert finding.message.text == "Nothing was measured in any arm for: Clicks."


def test_a_metric_that_only_one_arm_has_is_data() -> None:
    clicks = {"control": NOTHING, "treatment": DATA}
    assert empty_metrics.check(replace(HEALTHY, moments={**HEALTHY.moments, "clicks": clicks})).severity is Severity.OK


def test_a_net_value_of_zero_is_data() -> None:
    refunded = {"control": Moments.from_arrays([-1.0, 1.0])}
    assert (
        empty_metrics.check(replace(HEALTHY, moments={"orders": refunded, "clicks": refunded})).severity is Severity.OK
    )


def test_unknown_arms_are_counted_and_named() -> None:
    finding = unknown_arms.check(replace(HEALTHY, unknown_arms={"tretment": 7, "b": 2, "c": 0}))
    assert finding.severity is Severity.WARNING
    assert finding.message.text == "9 units are in arms that are not planned and are left out: b, tretment."


@pytest.mark.parametrize(
    ("count", "what", "severity"),
    [
        (10, "rows", Severity.OK),
        (11, "rows", Severity.WARNING),
        (11, "events", Severity.WARNING),
        (10, "exposures", Severity.OK),
        (11, "exposures", Severity.WARNING),
        (900, "units", Severity.OK),
    ],
)
def test_more_than_one_percent_left_out_is_a_warning(count: int, what: str, severity: Severity) -> None:
    assert left_out.check(rows_left_out(count, what)).severity is severity


def test_what_was_left_out_comes_with_its_main_reason() -> None:
    text = left_out.check(rows_left_out(25)).message.text
    assert text == "2.50% of the rows were left out, most of them for one reason: No arm is named."


def test_rows_left_out_of_an_unknown_number_are_not_judged() -> None:
    context = replace(rows_left_out(500), source=Source(name="lake"))
    assert left_out.check(context).severity is Severity.OK


def test_a_metric_whose_time_is_still_to_come_is_not_called_empty() -> None:
    early = replace(HEALTHY, moments={**HEALTHY.moments, "clicks": by_arm(Moments.empty(1), Moments.empty(1))})
    assert empty_metrics.check(early).severity is Severity.WARNING
    assert empty_metrics.check(replace(early, immature={"clicks": 1_010})).severity is Severity.OK
