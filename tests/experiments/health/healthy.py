"""An experiment that passes every check."""

from __future__ import annotations

from experiments.contracts import Kind, Looks, Plan, PlannedArm, PlannedMetric, Role, Source, Stopping, Unit
from experiments.health.context import HealthContext
from experiments.stats.moments import Moments

UNITS = {"control": 500, "treatment": 510}


def moments(n: int, mean: float = 2.0, variance: float = 1.0) -> Moments:
    return Moments.from_summary(n=n, mean=mean, variance=variance)


def by_arm(control: Moments, treatment: Moments) -> dict[str, Moments]:
    return {"control": control, "treatment": treatment}


PLAN = Plan(
    title="Coupons",
    unit=Unit.USER,
    arms=(PlannedArm(key="control", name="Everybody"), PlannedArm(key="treatment", name="Likely to join")),
    metrics=(
        PlannedMetric(key="orders", name="Orders", kind=Kind.MEAN, role=Role.PRIMARY),
        PlannedMetric(key="clicks", name="Clicks", kind=Kind.MEAN),
    ),
    stopping=Stopping.SPENDING,
    planned_units=2_000,
    complete=False,
)
HEALTHY = HealthContext(
    plan=PLAN,
    source=Source(name="lake", rows=1_000),
    units=UNITS,
    moments={key: by_arm(moments(500), moments(510)) for key in ("orders", "clicks")},
    before={"orders (28 d)": by_arm(moments(500), moments(510, 2.05))},
    skew={"orders": 3.0, "clicks": 1.0},
    immature={"orders": 0, "clicks": 0},
    late_events=2,
    events=5_000,
    looks=Looks(fractions=(0.505,), units=1_010, planned_units=2_000, days=10.0),
)
