"""Plans and evidence for the tests of inference and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.contracts import Kind, Looks, Plan, PlannedArm, PlannedMetric, Role, Source, Unit
from experiments.evidence import Evidence
from experiments.stats.moments import Moments

PRIMARY = PlannedMetric(key="orders", name="Orders", kind=Kind.MEAN, role=Role.PRIMARY)
GUARDRAIL = PlannedMetric(key="visits", name="Visits", kind=Kind.MEAN, role=Role.GUARDRAIL, margin=0.02)
SECONDARY = tuple(PlannedMetric(key=f"s{i}", name=f"Secondary {i}", kind=Kind.MEAN) for i in range(4))

ARMS = ("control", "b", "c", "d")


def plan(metrics: Sequence[PlannedMetric] = (PRIMARY,), treatments: int = 1, **changes: object) -> Plan:
    """A campaign with these metrics and so many treatments."""
    arms = tuple(PlannedArm(key=key, name=key.upper()) for key in ARMS[: treatments + 1])
    return Plan(title="Coupons", unit=Unit.USER, arms=arms, metrics=tuple(metrics), **changes)  # type: ignore[arg-type]


def moments(mean: float, *, n: int = 1_000, variance: float = 1.0) -> Moments:
    return Moments.from_summary(n=n, mean=mean, variance=variance)


def by_arm(*means: float, n: int = 1_000, variance: float = 1.0) -> dict[str, Moments]:
    """One value per arm, control first."""
    return {arm: moments(mean, n=n, variance=variance) for arm, mean in zip(ARMS, means, strict=False)}


def evidence(measured: Mapping[str, Mapping[str, Moments]], looks: Looks | None = None, **changes: object) -> Evidence:
    """What was measured, metric key to arm key."""
    units: dict[str, int] = {}
    for arms in measured.values():
        for arm, one in arms.items():
            units[arm] = max(units.get(arm, 0), one.n)
    looks = looks or Looks(units=sum(units.values()))
    return Evidence(source=Source(name="lake"), units=units, moments=measured, looks=looks, **changes)  # type: ignore[arg-type]
