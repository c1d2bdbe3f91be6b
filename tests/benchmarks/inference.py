"""Inference from daily moments: 20 metrics, 4 arms, 28 days; every day's cumulative result, and one whole report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from experiments.contracts import Kind, Looks, Plan, PlannedArm, PlannedMetric, Role, Source, Stopping, Unit
from experiments.evidence import Evidence
from experiments.inference.metrics import infer
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments
from experiments.stats.spending import Spending
from tests.benchmarks.figures import median, report

METRICS, ARMS, DAYS, USERS, REPEAT = 20, 4, 28, 1_000, 7
NAMES = ("control", *(f"t{number}" for number in range(1, ARMS)))

Daily = dict[str, dict[str, list[Moments]]]  # metric → arm → one per day


def main() -> None:
    """Print the medians."""
    plan, daily = _plan(), _daily()
    fractions = tuple((day + 1) / DAYS for day in range(DAYS))
    started = time.perf_counter()
    rules = [Spending(fractions[: day + 1]) for day in range(DAYS)]
    for rule in rules:
        rule.critical(0.05, 1e6)
    table = 1_000 * (time.perf_counter() - started)
    what = f"{METRICS} metrics x {ARMS} arms x {DAYS} days"
    report(
        f"{what}: merge and compare every day",
        f"{_milliseconds(lambda: _series(plan, daily, rules)):.0f} ms",
        f"{METRICS * (ARMS - 1) * DAYS} comparisons by spending bounds, aim 100 ms",
    )
    report("bounds of 28 looks, once for every look", f"{table:.0f} ms", "kept for all metrics and arms")
    evidence = _evidence(daily)
    for stopping in Stopping:
        chosen = replace(plan, stopping=stopping)
        infer(chosen, evidence)
        figure = _milliseconds(lambda chosen=chosen: infer(chosen, evidence))
        report(f"{METRICS} metrics x {ARMS} arms, last day: whole inference", f"{figure:.0f} ms", f"plan: {stopping}")


def _series(plan: Plan, daily: Daily, rules: list[Spending]) -> int:
    count = 0
    for metric in plan.metrics:
        control, *treatments = (_estimates(metric.kind, daily[metric.key][arm]) for arm in NAMES)
        for name, values in zip(NAMES[1:], treatments, strict=True):
            for rule, c, t in zip(rules, control, values, strict=True):
                count += compare_estimates(c, t, alpha=0.05, control_name="control", arm=name, rule=rule).significant
    return count


def _estimates(kind: Kind, days: list[Moments]) -> list[object]:
    sofar, found = Moments.empty(len(days[0].mean)), []
    for day in days:
        sofar = sofar.merge(day)
        found.append(estimate(sofar, kind))
    return found


def _plan() -> Plan:
    kinds = (Kind.MEAN, Kind.PROPORTION, Kind.RATIO)
    roles = (Role.PRIMARY, Role.GUARDRAIL, *(Role.SECONDARY,) * METRICS)
    metrics = tuple(
        PlannedMetric(key=f"m{i}", name=f"m{i}", kind=kinds[i % 3], role=roles[i], margin=0.02 if i == 1 else None)
        for i in range(METRICS)
    )
    arms = tuple(PlannedArm(key=name) for name in NAMES)
    return Plan(title="bench", unit=Unit.USER, arms=arms, metrics=metrics, planned_units=ARMS * DAYS * USERS)


def _daily() -> Daily:
    rng = np.random.default_rng(1)
    daily: Daily = {}
    for i in range(METRICS):
        daily[f"m{i}"] = {name: [_day(rng, i % 3) for _ in range(DAYS)] for name in NAMES}
    return daily


def _day(rng: np.random.Generator, kind: int) -> Moments:
    if kind == 0:
        return Moments.from_arrays(rng.lognormal(1, 1, USERS))
    if kind == 1:
        return Moments.from_arrays((rng.random(USERS) < 0.1).astype(float))
    views = rng.geometric(1 / 13, USERS)
    return Moments.from_arrays(rng.binomial(views, 0.05).astype(float), views.astype(float))


def _evidence(daily: Daily) -> Evidence:
    merged = {}
    for key, arms in daily.items():
        merged[key] = {}
        for name, days in arms.items():
            sofar = Moments.empty(len(days[0].mean))
            for day in days:
                sofar = sofar.merge(day)
            merged[key][name] = sofar
    units = dict.fromkeys(NAMES, DAYS * USERS)
    fractions = tuple((day + 1) / DAYS for day in range(DAYS))
    looks = Looks(fractions=fractions, units=sum(units.values()), planned_units=sum(units.values()))
    return Evidence(source=Source(name="bench"), units=units, moments=merged, looks=looks)


def _milliseconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEAT):
        started = time.perf_counter()
        work()
        taken.append(1_000 * (time.perf_counter() - started))
    return median(taken)


if __name__ == "__main__":
    main()
