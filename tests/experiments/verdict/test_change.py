"""What would change a verdict, sentence by sentence, through the judgement that asks for it."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from experiments.contracts import (
    Action,
    Decision,
    DecisionRule,
    Direction,
    Looks,
    Plan,
    PlannedMetric,
    Scale,
    Stopping,
    Verdict,
)
from experiments.inference.metrics import infer
from experiments.stats.moments import Moments
from experiments.verdict.change import change
from experiments.verdict.judgement import judge
from tests.experiments.inference.planned import GUARDRAIL, PRIMARY, by_arm, evidence, moments, plan

LOOKS = Looks(fractions=(0.5,), units=2_000, planned_units=4_000, days=7.0)
RUNNING = {"stopping": Stopping.SPENDING, "planned_units": 4_000, "complete": False}


def verdicts(whole: Plan, looks: Looks = LOOKS, **measured: dict[str, Moments]) -> tuple[Verdict, ...]:
    """orders= and visits= are what was measured, arm to moments."""
    return judge(whole, infer(whole, evidence(measured, looks)), (), looks)


def changes(whole: Plan, looks: Looks = LOOKS, **measured: dict[str, Moments]) -> tuple[Action, str | None]:
    first = verdicts(whole, looks, **measured)[0]
    return first.action, first.change.text if first.change else None


# ---- keep running


def test_before_the_planned_end_it_says_how_much_is_left() -> None:
    assert changes(plan(**RUNNING), orders=by_arm(2.0, 2.0)) == (
        Action.KEEP_RUNNING,
        "2,000 of 4,000 planned units are in (50%); at the pace so far the rest takes 7 days.",
    )
    third = Looks(fractions=(0.3,), units=1_200, planned_units=4_000, days=3.5)
    # by hand: 2,800 units at 1,200 in 3.5 days take 8.2 days
    assert changes(plan(**RUNNING), third, orders=by_arm(2.0, 2.0))[1] == (
        "1,200 of 4,000 planned units are in (30%); at the pace so far the rest takes 9 days."
    )


@pytest.mark.parametrize("days", [math.nan, 0.0])
def test_without_a_pace_it_says_only_how_many_are_in(days: float) -> None:
    text = changes(plan(**RUNNING), replace(LOOKS, days=days), orders=by_arm(2.0, 2.0))[1]
    assert text == "2,000 of 4,000 planned units are in (50%)."
    nobody = Looks(planned_units=4_000, days=2.0)
    assert changes(plan(**RUNNING), nobody)[1] == "0 of 4,000 planned units are in (0%)."


@pytest.mark.parametrize("treatment", [2.0, 2.5, 1.5])
@pytest.mark.parametrize("strict", [False, True])
def test_with_one_look_only_the_end_counts(treatment: float, strict: bool) -> None:
    rule = DecisionRule(strict_guardrails=strict)
    whole = plan((PRIMARY, GUARDRAIL), planned_units=4_000, complete=False, rule=rule)
    action, text = changes(whole, orders=by_arm(2.0, treatment), visits=by_arm(2.0, 1.99))
    assert action is Action.KEEP_RUNNING
    assert text == "2,000 of 4,000 planned units are in (50%); at the pace so far the rest takes 7 days."


def test_without_a_planned_end_it_says_how_many_units_would_settle_it() -> None:
    """By hand: 2,000 units tuned for 5,000 have Nρ² = 7.937 · .4 = 3.175, so the critical value is
    √(2 · 4.175 / 3.175 · (ln 4.175 / 2 + ln 20)) = 3.124; se = √(2 / 1,000) = .0447, and an effect of .1 needs
    (3.124 · .0447 / .1)² = 1.952 times the units."""
    whole = plan(stopping=Stopping.SEQUENCE, complete=False)
    (one,) = infer(whole, evidence({"orders": by_arm(2.0, 2.1)}, LOOKS))[0].comparisons
    needed = 2_000 * (one.critical * one.se / 0.1) ** 2
    assert needed == pytest.approx(3_903, abs=2)
    action, text = changes(whole, orders=by_arm(2.0, 2.1))
    assert (action, text) == (
        Action.KEEP_RUNNING,
        "An effect as large as the one seen would be settled at about 4,000 units; there are 2,000.",
    )


def test_the_units_that_would_settle_it_are_more_than_there_are() -> None:
    for treatment in (2.1395, 2.1396):
        whole = plan(stopping=Stopping.SEQUENCE, complete=False)
        looks = Looks(units=2_093)
        _, text = changes(whole, looks, orders=by_arm(2.0, treatment))
        assert text is not None
        assert text.endswith("would be settled at about 2,100 units; there are 2,093."), text


@pytest.mark.parametrize("effect", [0.0, 0.01, 1e-200])
def test_an_effect_too_small_to_settle_is_not_worth_waiting_for(effect: float) -> None:
    whole = plan(stopping=Stopping.SEQUENCE, complete=False)
    arms = {"control": moments(0.0), "b": moments(effect)}
    assert changes(whole, orders=arms)[1] == (
        "The effect seen is so small that more than 200,000 units would be needed to settle it."
    )


def test_data_that_cannot_answer_knows_no_number_of_units() -> None:
    assert changes(plan(stopping=Stopping.SEQUENCE, complete=False)) == (Action.KEEP_RUNNING, None)


def test_a_settled_effect_that_is_not_read_yet_needs_no_more_units() -> None:
    """One look, an end that nobody named: nothing is read, and no number of units would change that."""
    assert changes(plan(complete=False), orders=by_arm(2.0, 2.5)) == (Action.KEEP_RUNNING, None)


STRICT = DecisionRule(strict_guardrails=True)


def test_a_guardrail_that_is_not_proven_holds_a_better_treatment_back() -> None:
    whole = plan((PRIMARY, GUARDRAIL), rule=STRICT, **RUNNING)
    assert changes(whole, orders=by_arm(2.0, 2.5), visits=by_arm(2.0, 1.99)) == (
        Action.KEEP_RUNNING,
        "Visits is not yet shown to be within its margin of 2%; more units may show it.",
    )


def test_at_the_end_the_guardrail_that_is_not_proven_is_the_reason_to_roll_back() -> None:
    whole = plan((PRIMARY, GUARDRAIL), rule=STRICT)
    action, text = changes(whole, orders=by_arm(2.0, 2.5), visits=by_arm(2.0, 1.99))
    assert action is Action.ROLL_BACK
    assert text is not None
    assert text.startswith("Visits is not yet shown to be within its margin of 2%")


def test_a_worse_treatment_has_no_guardrail_to_wait_for() -> None:
    whole = plan((PRIMARY, GUARDRAIL), rule=STRICT)
    assert changes(whole, orders=by_arm(2.0, 1.5), visits=by_arm(2.0, 1.99)) == (Action.ROLL_BACK, None)


# ---- roll back


def test_harm_on_a_guardrail_is_told_with_its_interval() -> None:
    """By hand, Fieller: A = 4 − c² .001, B = −.4 + c² .001, C = .04 − c² .002 with c = 1.961; (B ± √(B² − A C)) / A."""
    whole = plan((PRIMARY, GUARDRAIL))
    assert changes(whole, orders=by_arm(2.0, 2.5), visits=by_arm(2.0, 1.8)) == (
        Action.ROLL_BACK,
        "Visits is worse beyond chance: -10.0% (95% interval -14.1% to -5.7%).",
    )


def test_harm_without_a_baseline_is_told_in_absolute_terms() -> None:
    returns = replace(GUARDRAIL, direction=Direction.DECREASE, scale=Scale.MONEY)
    whole = plan((PRIMARY, returns), currency="CNY")
    action, text = changes(
        whole, orders=by_arm(2.0, 2.0), visits={"control": moments(0.0, variance=0.0), "b": moments(30.0, variance=1e4)}
    )
    assert action is Action.ROLL_BACK
    # by hand: se = 100 / √1,000 = 3.16 cents, 30 ± 1.962 · 3.16
    assert text == "Visits is worse beyond chance: CNY +0.300 (95% interval CNY +0.238 to CNY +0.362)."


def test_at_the_end_without_an_answer_it_says_what_would_have_been_found() -> None:
    """By hand: (1.961 + .842) · .0447 / 2 = 6.27 %."""
    assert changes(plan(), orders=by_arm(2.0, 2.01)) == (
        Action.ROLL_BACK,
        "With these units an effect of 6.3% or more would have been found four times out of five; "
        "a smaller one may be there.",
    )
    shipped = plan(rule=DecisionRule(if_unsettled=Action.SHIP))
    action, text = changes(shipped, orders=by_arm(2.0, 2.01))
    assert (action, str(text)[:31]) == (Action.SHIP, "With these units an effect of 6")


def test_what_would_have_been_found_needs_a_control() -> None:
    assert changes(plan(), orders=by_arm(0.0, 0.01)) == (Action.ROLL_BACK, None)
    assert changes(plan()) == (Action.ROLL_BACK, None)


# ---- ship


def held(*means: float, direction: Direction = Direction.INCREASE) -> str | None:
    """A better treatment and guardrails of 20,000 units an arm: se .01, so ± .98 % of 2."""
    rails = tuple(
        replace(GUARDRAIL, key=key, name=key.upper(), margin=margin, direction=direction)
        for key, margin in (("g1", 0.02), ("g2", 0.05))
    )
    whole = plan((PRIMARY, *rails))
    measured = {one.key: by_arm(2.0, mean, n=20_000) for one, mean in zip(rails, means, strict=True)}
    action, text = changes(whole, orders=by_arm(2.0, 2.5), **measured)
    assert action is Action.SHIP
    return text


def test_a_shipped_treatment_names_the_guardrail_that_is_closest_to_its_margin() -> None:
    assert held(2.0, 1.98) == "The guardrail that is closest is G1: its interval reaches -0.98%, the margin is 2%."
    assert held(2.0, 2.03, direction=Direction.DECREASE) == (
        "The guardrail that is closest is G2: its interval reaches +2.5%, the margin is 5%."
    )


def test_a_guardrail_that_got_better_is_not_close_to_anything() -> None:
    """Its interval ends at +9 %: four times a margin of 2 %, on the good side."""
    assert held(2.2, 1.99) == "The guardrail that is closest is G2: its interval reaches -1.5%, the margin is 5%."
    assert held(2.2, 2.2) is None


def test_without_a_margin_no_guardrail_is_close() -> None:
    whole = plan((PRIMARY, replace(GUARDRAIL, margin=None)))
    assert changes(whole, orders=by_arm(2.0, 2.5), visits=by_arm(2.0, 2.0)) == (Action.SHIP, None)
    assert changes(plan(), orders=by_arm(2.0, 2.5)) == (Action.SHIP, None)


def test_a_negative_control_turns_the_harmful_side_around() -> None:
    whole = plan((PRIMARY, GUARDRAIL))
    measured = {"orders": by_arm(2.0, 2.5), "visits": by_arm(-2.0, -2.0, n=20_000)}
    assert changes(whole, **measured)[1] == (  # type: ignore[arg-type]
        "The guardrail that is closest is Visits: its interval reaches +0.98%, the margin is 2%."
    )


# ---- all of it


def test_nothing_is_said_about_what_must_not_be_trusted() -> None:
    results = infer(plan(), evidence({"orders": by_arm(2.0, 2.5)}))
    assert change(plan(), LOOKS, Action.DO_NOT_TRUST, results[0], results, 0) is None


def test_each_treatment_has_its_own_sentence() -> None:
    whole = plan((PRIMARY, GUARDRAIL), treatments=2)
    first, second = verdicts(whole, orders=by_arm(2.0, 2.5, 2.0), visits=by_arm(2.0, 1.8, 2.0, n=20_000))
    assert first.change is not None
    assert second.change is not None
    assert first.change.text.startswith("Visits is worse")
    assert second.change.text.startswith("With these units")


def sentences(one: Verdict) -> Iterator[str]:
    yield from (message.text for message in (one.message, one.money, one.change, *one.notes) if message)


NO_NUMBER = re.compile(r"\b(nan|inf)\b|–|∞", re.IGNORECASE)
MEANS = (math.nan, 0.0, 1e-300, -2.0, 2.0, 2.1, 1e9)


@pytest.mark.parametrize("stopping", Stopping)
@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_no_sentence_ever_shows_a_number_that_is_none(stopping: Stopping, complete: bool, strict: bool) -> None:
    money = PlannedMetric(key="visits", name="Visits", kind=PRIMARY.kind, role=GUARDRAIL.role, margin=0.02,
                          scale=Scale.MONEY)  # fmt: skip
    rule = DecisionRule(strict_guardrails=strict)
    seen = set()
    for planned in (None, 4_000):
        if stopping is Stopping.SPENDING and not planned:
            continue
        whole = plan((PRIMARY, money), stopping=stopping, planned_units=planned, complete=complete, rule=rule)
        for looks in (LOOKS, replace(LOOKS, days=math.nan), Looks()):
            for control in MEANS:
                for treatment in MEANS:
                    for variance in (0.0, 1.0):
                        arms = by_arm(control, treatment, variance=variance)
                        (one,) = verdicts(whole, looks, orders=arms, visits=by_arm(treatment, control))
                        seen.add((one.decision, one.action))
                        for text in sentences(one):
                            assert not NO_NUMBER.search(text), text
    assert (Decision.UNSETTLED, Action.KEEP_RUNNING if not complete else Action.ROLL_BACK) in seen
