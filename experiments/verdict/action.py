"""What the rule that was registered before the start makes of the evidence."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.contracts import Action, Decision, Looks, Plan, Standing, Stopping


def is_over(plan: Plan, looks: Looks) -> bool:
    """Whether the planned end is reached: no more units will come, or all planned ones are in."""
    if plan.complete:
        return True
    if plan.stopping is Stopping.SEQUENCE or not plan.planned_units:
        return False
    return looks.units >= plan.planned_units


def act(plan: Plan, looks: Looks, decision: Decision, standings: Sequence[tuple[float | None, Standing]]) -> Action:
    """The action for one treatment.

    Args:
        plan, looks: the rule, and how far the experiment is. With one look nothing is decided before the end.
        decision: on the primary metric.
        standings: margin and standing on every guardrail.
    """
    if decision is Decision.DO_NOT_TRUST:
        return Action.DO_NOT_TRUST
    over = is_over(plan, looks)
    if plan.stopping is Stopping.ONCE and not over:
        return Action.KEEP_RUNNING
    if decision is Decision.WORSE or any(standing is Standing.HARMED for _, standing in standings):
        return Action.ROLL_BACK
    unproven = plan.rule.strict_guardrails and any(
        margin is not None and standing is Standing.OPEN for margin, standing in standings
    )
    if decision is Decision.BETTER and not unproven:
        return Action.SHIP
    return plan.rule.if_unsettled if over else Action.KEEP_RUNNING
