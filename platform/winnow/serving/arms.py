"""Who gets which strategy: the arm of an experiment by the hash of the unit, or the strategy that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.assignment import bucket_ranges, choose, hash_unit
from experiments.contracts import PlannedArm, Unit
from experiments.selectors import Allocation, allocation
from winnow.serving.contracts import Person, Request
from winnow.serving.recent import Recent

SECONDS = 1.0  # after which the state and the arms of an experiment are looked up again

ALLOCATIONS = Recent(allocation, seconds=SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What somebody gets. ``arm`` is None where nobody was assigned; ``strategy`` is ``key@version``, or ``key``."""

    strategy: str
    exploration: float = 0.0
    arm: str | None = None


def place(request: Request, person: Person, ranking_id: str) -> Placement:
    """What this person gets. An experiment that does not run assigns nobody, and its control answers.

    Raises UnknownExperiment.
    """
    if request.experiment is None:
        return Placement(strategy=request.strategy or "")
    found = ALLOCATIONS.get(request.experiment)
    if not found.running:
        return Placement(strategy=found.arms[0].strategy)
    arm = arm_of(found, ranking_id if found.unit is Unit.IMPRESSION else person.who)
    return Placement(strategy=arm.strategy, exploration=arm.exploration, arm=arm.key)


def arm_of(found: Allocation, unit_id: str) -> PlannedArm:
    """The arm of a unit: the experiment's key is the seed, so that experiments are independent of each other."""
    position = choose(hash_unit(found.key, unit_id), bucket_ranges([arm.weight for arm in found.arms]))
    return found.arms[position or 0]  # with full coverage every number has an arm
