"""How far an experiment is, and when it was looked at."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.contracts import Looks, Plan

SMALLEST_STEP = 0.01  # of the planned units; looks that are closer together count as one


def looks_of(plan: Plan, units: int, earlier_units: Sequence[int], *, days: float) -> Looks:
    """How far the experiment is, and at which fractions of the planned units it was looked at.

    >>> from experiments.contracts import Unit
    >>> plan = Plan(title="", unit=Unit.USER, arms=(), metrics=(), planned_units=1000)
    >>> looks_of(plan, 500, [100, 102, 300, 499], days=5.0).fractions
    (0.1, 0.3, 0.5)
    """
    if not plan.planned_units or not units:
        return Looks(units=units, planned_units=plan.planned_units, days=days)
    now = min(units / plan.planned_units, 1.0)
    kept: list[float] = []
    for count in sorted(set(earlier_units)):
        fraction = count / plan.planned_units
        if (kept[-1] if kept else 0.0) + SMALLEST_STEP <= fraction <= now - SMALLEST_STEP:
            kept.append(fraction)
    after_end = len({count for count in earlier_units if plan.planned_units <= count != units})
    return Looks(fractions=(*kept, now), units=units, planned_units=plan.planned_units, days=days, after_end=after_end)
