from dataclasses import replace
from itertools import product

import pytest

from experiments.contracts import Action, Decision, DecisionRule, Looks, Standing, Stopping
from experiments.verdict.action import act, is_over
from tests.experiments.inference.planned import plan

WAIT, SHIP, BACK, NO_TRUST = Action.KEEP_RUNNING, Action.SHIP, Action.ROLL_BACK, Action.DO_NOT_TRUST

GUARDRAILS = {
    "none": (),
    "holds": ((0.02, Standing.HOLDS),),
    "open, with a margin": ((0.02, Standing.HOLDS), (0.02, Standing.OPEN)),
    "open, without a margin": ((None, Standing.OPEN),),
    "harmed": ((0.02, Standing.HOLDS), (0.02, Standing.HARMED)),
    "harmed, without a margin": ((None, Standing.HARMED), (0.02, Standing.OPEN)),
}
# decision → guardrails → (lenient, strict); IF_UNSETTLED is what the rule says at the end, WAIT before it
IF_UNSETTLED = "if unsettled"
TABLE = {
    Decision.BETTER: {
        "none": (SHIP, SHIP),
        "holds": (SHIP, SHIP),
        "open, with a margin": (SHIP, IF_UNSETTLED),
        "open, without a margin": (SHIP, SHIP),
        "harmed": (BACK, BACK),
        "harmed, without a margin": (BACK, BACK),
    },
    Decision.WORSE: dict.fromkeys(GUARDRAILS, (BACK, BACK)),
    Decision.UNSETTLED: {
        **dict.fromkeys(GUARDRAILS, (IF_UNSETTLED, IF_UNSETTLED)),
        "harmed": (BACK, BACK),
        "harmed, without a margin": (BACK, BACK),
    },
    Decision.DO_NOT_TRUST: dict.fromkeys(GUARDRAILS, (NO_TRUST, NO_TRUST)),
}


@pytest.mark.parametrize("if_unsettled", [BACK, SHIP, WAIT])
@pytest.mark.parametrize("over", [False, True], ids=["running", "over"])
@pytest.mark.parametrize("stopping", Stopping)
def test_the_registered_rule_says_what_to_do_with_which_evidence(
    stopping: Stopping, over: bool, if_unsettled: Action
) -> None:
    for (decision, row), strict in product(TABLE.items(), (False, True)):
        for name, cells in row.items():
            rule = DecisionRule(if_unsettled=if_unsettled, strict_guardrails=strict)
            whole = plan(stopping=stopping, planned_units=1_000, complete=over, rule=rule)
            expected = cells[strict]
            if decision is not Decision.DO_NOT_TRUST and stopping is Stopping.ONCE and not over:
                expected = WAIT
            if expected == IF_UNSETTLED:
                expected = if_unsettled if over else WAIT
            action = act(whole, Looks(units=400), decision, GUARDRAILS[name])
            assert action is expected, (decision, name, strict)


@pytest.mark.parametrize(
    ("stopping", "complete", "planned", "units", "over"),
    [
        (Stopping.ONCE, True, None, 0, True),
        (Stopping.ONCE, False, None, 5_000, False),
        (Stopping.ONCE, False, 1_000, 999, False),
        (Stopping.ONCE, False, 1_000, 1_000, True),
        (Stopping.SPENDING, False, 1_000, 999, False),
        (Stopping.SPENDING, False, 1_000, 1_200, True),
        (Stopping.SPENDING, True, 1_000, 500, True),
        (Stopping.SEQUENCE, False, 1_000, 5_000, False),
        (Stopping.SEQUENCE, True, None, 5_000, True),
    ],
)
def test_the_end_is_when_all_planned_units_are_in_or_no_more_will_come(
    stopping: Stopping, complete: bool, planned: int | None, units: int, over: bool
) -> None:
    whole = plan(stopping=stopping, planned_units=planned, complete=complete)
    assert is_over(whole, Looks(units=units)) is over


def test_the_default_rule_rolls_back_what_is_not_settled() -> None:
    assert act(plan(), Looks(), Decision.UNSETTLED, ()) is BACK
    assert act(replace(plan(), complete=False), Looks(), Decision.UNSETTLED, ()) is WAIT
