"""Reports in every state a page must cope with: a campaign with three arms, judged by the real rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from experiments.contracts import (
    Calibration,
    Direction,
    Exclusion,
    Kind,
    Looks,
    Message,
    Plan,
    PlannedArm,
    PlannedMetric,
    Report,
    Role,
    Scale,
    Source,
    Stopping,
    Unit,
)
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.models import Analysis, Experiment
from experiments.rendering import freeze
from experiments.reports import Evidence, build_report
from experiments.services import lifecycle
from experiments.services.evidence import TWO_ARMS
from experiments.services.lifecycle import Draft
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
ARMS = (
    PlannedArm(key="control", name="Popular items", strategy="popular@3"),
    PlannedArm(key="cf", name="Collaborative", strategy="item-cf@2026-04"),
    PlannedArm(key="deep", name="Two towers", strategy="two-tower@7"),
)
ROLES = {
    "conversion": Role.PRIMARY,
    "ctr": Role.SECONDARY,
    "participation": Role.SECONDARY,
    "revenue": Role.SECONDARY,
    "average-order-value": Role.SECONDARY,
    "returns": Role.GUARDRAIL,
    "satisfaction": Role.SECONDARY,
}
SOURCE = Source(
    name="lake",
    rows=1_204_387,
    lake_version=42,
    code_version="0.1.0",
    computed_at=datetime(2026, 5, 11, 9, 30, tzinfo=UTC),
    first_event=START,
    last_event=datetime(2026, 5, 11, 9, 29, tzinfo=UTC),
)
UNITS = {"control": 20_113, "cf": 19_876, "deep": 20_049}

# Metric → arm → value; per unit for means, with the variance beside it; numerator and denominator for ratios.
SHARES = {"conversion": (0.0712, 0.0788, 0.0699), "participation": (0.1204, 0.1237, 0.1101)}
MEANS = {"revenue": ((1234.0, 5.2e7), (1361.0, 5.9e7), (1228.0, 5.1e7))}
RATIOS = {
    "ctr": ((0.31, 6.02), (0.345, 6.03), (0.322, 5.99)),
    "average-order-value": ((1234.0, 0.0801), (1361.0, 0.0879), (1228.0, 0.0788)),
    "returns": ((0.0056, 0.0801), (0.0059, 0.0879), (0.0071, 0.0788)),
    "satisfaction": ((0.615, 0.151), (0.633, 0.1522), (0.618, 0.1507)),
}


def plan(**changes: object) -> Plan:
    """A campaign whose primary metric is conversion."""
    known = {metric.key: metric for metric in BUILTIN_METRICS}
    metrics = tuple(
        PlannedMetric(
            key=key,
            name=known[key].name,
            kind=known[key].kind,
            role=role,
            direction=known[key].direction,
            scale=known[key].scale,
            description=known[key].description,
        )
        for key, role in ROLES.items()
    )
    whole = Plan(
        title="Spring coupons", unit=Unit.USER, arms=ARMS, metrics=metrics, currency="CNY", repeated_looks=True
    )
    return replace(whole, **changes)


def evidence(units: Mapping[str, int] | None = None, **changes: object) -> Evidence:
    """What was measured in a healthy campaign."""
    units = units or UNITS
    moments: dict[str, dict[str, Moments]] = {
        key: {arm: _share(units[arm], share) for arm, share in zip(UNITS, shares, strict=True)}
        for key, shares in SHARES.items()
    }
    for key, means in MEANS.items():
        moments[key] = {
            arm: Moments.from_summary(n=units[arm], mean=mean, variance=variance)
            for arm, (mean, variance) in zip(UNITS, means, strict=True)
        }
    for key, ratios in RATIOS.items():
        moments[key] = {
            arm: _ratio(units[arm], numerator, denominator)
            for arm, (numerator, denominator) in zip(UNITS, ratios, strict=True)
        }
    return replace(Evidence(source=SOURCE, units=units, moments=moments), **changes)


def _share(n: int, share: float) -> Moments:
    return Moments.from_summary(n=n, mean=share, variance=share * (1 - share))


def _ratio(n: int, numerator: float, denominator: float) -> Moments:
    """Poisson-like numerators and denominators that go together a little."""
    spread = (1.6 * numerator * max(numerator / denominator, 1), 1.2 * denominator)
    together = 0.6 * (spread[0] * spread[1]) ** 0.5
    comoment = ((spread[0] * n, together * n), (together * n, spread[1] * n))
    return Moments(n=n, mean=(numerator, denominator), comoment=comoment)


def healthy() -> Report:
    """All checks passed; one treatment is better, one is not settled."""
    return build_report(plan(), evidence())


def warned() -> Report:
    """A few units in two arms, and a metric that nobody measured."""
    left_out = Exclusion(
        code="TWO_ARMS", count=311, what="units", message=Message(template=TWO_ARMS, params={"count": 311})
    )
    rows = Exclusion(
        code="OUTSIDE_DATES",
        count=30_000,
        what="exposures",
        message=Message(template="Exposures outside the dates of the experiment: %(count)d.", params={"count": 30_000}),
    )
    measured = {**evidence().moments, "satisfaction": {}}
    return build_report(
        plan(), evidence(units_in_two_arms=311, exclusions=(left_out, rows), moments=measured, unknown_arms={"deap": 7})
    )


def failed() -> Report:
    """The split is wrong, so nothing may be read."""
    return build_report(plan(), evidence({"control": 20_113, "cf": 17_930, "deep": 20_049}))


def empty() -> Report:
    """Nothing was measured at all: every figure is absent."""
    return build_report(plan(), Evidence(source=Source(name="lake"), units={}, moments={}))


def unbounded() -> Report:
    """The control has next to no orders: relative effects are not bounded, or have no baseline."""
    measured = evidence().moments
    few = {"control": _share(400, 2 / 400), "cf": _share(400, 9 / 400), "deep": _share(400, 1 / 400)}
    none = {"control": Moments.from_summary(n=400, mean=0.0, variance=0.0), "cf": few["cf"], "deep": few["deep"]}
    return build_report(plan(), evidence(moments={**measured, "conversion": few, "participation": none}))


def without_metrics() -> Report:
    """An experiment that measures nothing."""
    return build_report(plan(metrics=()), Evidence(source=SOURCE, units=UNITS, moments={}))


def simulated() -> Report:
    """True effects are known."""
    return build_report(plan(simulated=True, truth={"conversion": 0.1, "returns": 0.0}), evidence())


def impressions() -> Report:
    """No user id, two arms, one metric: the shape of Open Bandit."""
    arms = (PlannedArm(key="random", name="Random"), PlannedArm(key="bts", name="Bernoulli Thompson sampling"))
    clicks = PlannedMetric(
        key="ctr", name="CTR", kind=Kind.PROPORTION, role=Role.PRIMARY, direction=Direction.INCREASE, scale=Scale.SHARE
    )
    moments = {"ctr": {"random": _share(10_000, 0.0038), "bts": _share(10_000, 0.0042)}}
    return build_report(
        plan(arms=arms, metrics=(clicks,), unit=Unit.IMPRESSION, unit_note="no user id: the unit is the impression"),
        Evidence(source=SOURCE, units={"random": 10_000, "bts": 10_000}, moments=moments),
    )


def watched() -> Report:
    """Half of the planned units are in, and everything that a report can say beside its figures is there to say."""
    running = plan(stopping=Stopping.SPENDING, planned_units=120_000, complete=False, prior_sd=0.05)
    metrics = tuple(
        replace(
            metric, margin=0.1 if metric.key == "returns" else None, winsor=0.99 if metric.key == "revenue" else None
        )
        for metric in running.metrics
    )
    measured = evidence().moments
    conversions = {**measured["conversion"], "cf": _share(UNITS["cf"], 0.083)}
    thirds = {arm: _share(n // 3, 0.07) for arm, n in UNITS.items()}
    stars = {"control": [5, 12, 30, 40, 13], "cf": [4, 10, 28, 42, 16], "deep": [6, 12, 30, 39, 13]}
    checked = {"runs": 1_000, "units": 60_000, "coverage": 0.95, "uniformity_p": 0.4, "alpha": 0.05}
    return build_report(
        replace(running, metrics=metrics),
        evidence(
            moments={**measured, "conversion": conversions},
            raw={"revenue": measured["revenue"]},
            caps={"revenue": 250_000.0},
            values={
                "satisfaction": {
                    arm: Counts.from_columns([1, 2, 3, 4, 5], [30 * count for count in counts])
                    for arm, counts in stars.items()
                }
            },
            segments={
                "conversion": {
                    "membership": {
                        "gold": {**thirds, "cf": _share(6_000, 0.095)},
                        "": {**thirds, "cf": _share(7_000, 0.06)},
                    }
                }
            },
            novelty={"conversion": {arm: Moments.from_summary(n=9_000, mean=0.0, variance=0.1) for arm in UNITS}},
            looks=Looks(fractions=(0.2, 0.35, 0.5), units=60_038, planned_units=120_000, days=7.0),
            calibrations={
                "conversion": Calibration(
                    metric="conversion", method="plain", false_positives=0.047, passed=True, **checked
                ),
                "revenue": Calibration(
                    metric="revenue", method="capped", false_positives=0.081, passed=False, **checked
                ),
            },
        ),
    )


REPORTS = {
    "watched": watched,
    "healthy": healthy,
    "warned": warned,
    "failed": failed,
    "empty": empty,
    "unbounded": unbounded,
    "without-metrics": without_metrics,
    "simulated": simulated,
    "impressions": impressions,
}


def make_experiment(key: str = "spring-coupons", report: Report | None = None, *, started: bool = True) -> Experiment:
    """An experiment in the database, with this report as its latest result."""
    shown = report.plan if report else plan()
    experiment = lifecycle.create(
        Draft(
            key=key,
            name=shown.title,
            hypothesis="People who are shown items of their own taste redeem more coupons.",
            arms=shown.arms,
            metrics=tuple((metric.key, metric.role) for metric in shown.metrics) or (("ctr", Role.PRIMARY),),
            unit=shown.unit,
            unit_note=shown.unit_note,
            currency=shown.currency,
            planned_start=START,
            planned_end=datetime(2026, 5, 18, 8, tzinfo=UTC),
            planned_units=60_000,
            simulated=shown.simulated,
            truth=dict(shown.truth),
        ),
        created_by="mei",
    )
    if started:
        experiment = lifecycle.start(key, at=START)
    if report:
        keep(experiment, report)
    return experiment


def keep(experiment: Experiment, report: Report, *, lake_version: int = 42) -> Analysis:
    """Store a report as the latest result."""
    return Analysis.objects.create(
        experiment=experiment,
        lake_version=lake_version,
        code_version="0.1.0",
        settings={},
        settings_digest="0" * 64,
        report=freeze(report),
    )
