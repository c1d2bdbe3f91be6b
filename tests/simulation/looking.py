"""Looking before the end: false alarms, power and exaggeration of the stopping plans over 28 daily looks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from experiments.contracts import Kind, Plan, Unit
from experiments.inference.looks import looks_of
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import Estimate, estimate
from experiments.stats.exaggeration import early_stop_exaggeration
from experiments.stats.moments import Moments
from experiments.stats.rule import Rule
from experiments.stats.sequence import Sequence, ready
from experiments.stats.spending import Spending, bounds
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]
Arm = tuple[Estimate, float]  # and how many bought

DAYS, RUNS, ALPHA = 28, 5_000, 0.05
USERS = 200  # an arm and day; orders of 8 % of them, lognormal amounts: skewed, as revenue is
FIXED = 1.959963984540054
POWER_CELL = FIXED + 0.8064212470182404  # drift at which one look has 79 %
PLANNED = 2.0 * DAYS * USERS
MANY = math.inf  # degrees of freedom


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    null, cell = _walks(0.0, 501), _walks(POWER_CELL, 502)
    return (*_spending(null, cell), *_sequences(null, cell), *_revenue(), *_exaggeration())


def _walks(drift: float, seed: int, looks: int = DAYS, runs: int = RUNS, after: int = 0) -> Floats:
    """z of each run and look, for a test whose expected z at the planned end is ``drift``: shape (runs, looks + after).

    ``after`` more looks at the same pace follow the planned end.
    """
    rng = np.random.default_rng(seed)
    fractions = np.arange(1, looks + after + 1) / looks
    score = rng.normal(drift / looks, math.sqrt(1 / looks), (runs, looks + after)).cumsum(axis=1)
    return np.asarray(score / np.sqrt(fractions))


def _fractions(looks: int = DAYS) -> tuple[float, ...]:
    return tuple(look / looks for look in range(1, looks + 1))


def _spending(null: Floats, cell: Floats) -> Iterator[Figure]:
    limits = np.array(bounds(_fractions(), ALPHA))
    note = f"{RUNS:,} runs of {DAYS} equal looks"
    yield _figure("spending: any false alarm", _any(null, limits), 0.04, 0.06, note)
    yield _figure("spending: power where one look has 79 %", _any(cell, limits), 0.74, 1.0, note)
    daily = np.full(DAYS, FIXED)
    yield _figure("daily 1.96, for contrast: any false alarm", _any(null, daily), 0.24, 0.29, note)
    yield _figure("spending: mean day of the stop, power cell", _mean_stop(cell, limits), 18, 24, note)
    yield _figure("spending: last bound / 1.96", limits[-1] / FIXED, 1.0, 1.15, note)
    fine = np.array(bounds(_fractions(100), ALPHA))
    hundred = _walks(0.0, 503, looks=100)
    yield _figure("spending, 100 looks: any false alarm", _any(hundred, fine), 0.04, 0.06, f"{RUNS:,} runs")
    yield from _as_the_report_judges()


def _as_the_report_judges() -> Iterator[Figure]:
    """Looks of which the rule counts those a hundredth of the plan apart, and looks after the planned end.

    Someone who decides at every one of them meets more bounds than were allowed for.
    """
    note = "{} runs; each look judged, looks closer than 1 % of the plan count as one"
    for looks, runs, low, high in ((400, RUNS, 0.04, 0.06), (1_000, 20_000, 0.05, 0.065)):
        walks = _walks(0.0, 504, looks=looks, runs=runs)
        name = f"spending, {looks:,} looks: any false alarm"
        yield _figure(name, _any(walks, _reported(looks)), low, high, note.format(f"{runs:,}"))
    runs = 20_000
    for after, high in ((1, 0.06), (7, 0.08), (28, 0.12)):
        alarms = _any(_walks(0.0, 508, runs=runs, after=after), _reported(DAYS, after))
        name = f"spending, {DAYS} looks and {after} after the end, for contrast: any false alarm"
        yield _figure(name, alarms, 0.045, high, f"{runs:,} runs; the planned units were in at look {DAYS}")


def _reported(looks: int, after: int = 0) -> Floats:
    """The bound that a report of each look uses, where it was looked at after every unit of the plan."""
    plan = Plan(title="", unit=Unit.USER, arms=(), metrics=(), planned_units=looks)
    known = (looks_of(plan, look, range(1, look), days=1.0) for look in range(1, looks + after + 1))
    return np.array([Spending(one.fractions).critical(ALPHA, MANY) for one in known])


def _sequences(null: Floats, cell: Floats) -> Iterator[Figure]:
    tunings = (
        ("tuned to the end", PLANNED, PLANNED),
        ("tuned to 5,000 users", 5_000.0, PLANNED),
        ("tuned to 5,000 of 112,000 users", 5_000.0, 10 * PLANNED),
    )
    for name, planned, total in tunings:
        note = f"{RUNS:,} runs of {DAYS} looks, {total:,.0f} users in all"
        rules = [Sequence(n=total * fraction, planned_n=planned) for fraction in _fractions()]
        limits = np.array([rule.critical(ALPHA, MANY) for rule in rules])
        yield _figure(f"sequence, {name}: any false alarm", _any(null, limits), 0.0, 0.02, note)
        yield _figure(f"sequence, {name}: power where one look has 79 %", _any(cell, limits), 0.3, 0.6, note)
        yield _figure(f"sequence, {name}: mean day of the stop, power cell", _mean_stop(cell, limits), 19, 25, note)
        yield _figure(f"sequence, {name}: last half-width / fixed", limits[-1] / FIXED, 1.4, 1.9, note)


def _revenue() -> Iterator[Figure]:
    """The same with per-user revenue, skewed, through the moments and comparisons that a report is made of."""
    rng, runs, spending, sequence = np.random.default_rng(505), 2_000, 0, 0
    rules = [Spending(_fractions()[:day]) for day in range(1, DAYS + 1)]
    for _ in range(runs):
        days = list(zip(_arm(rng), _arm(rng), strict=True))
        spending += any(_alarm(*arms, rule) for arms, rule in zip(days, rules, strict=True))
        sequence += any(_alarm(*arms, rule) for arms in days if (rule := _sequence(*arms)) is not None)
    note = f"{runs:,} A/As of revenue per user, {USERS} users an arm and day, 8 % buy, lognormal amounts"
    yield _figure("spending on revenue: any false alarm", spending / runs, 0.035, 0.065, note)
    yield _figure("sequence on revenue: any false alarm", sequence / runs, 0.0, 0.02, note)


def _arm(rng: np.random.Generator) -> list[Arm]:
    """The estimate of each day, from the moments of all days so far, and how many had bought."""
    bought = rng.random((DAYS, USERS)) < 0.08
    amounts = bought * rng.lognormal(4, 0.8, (DAYS, USERS))
    days, total = [], Moments.empty(1)
    for today, buyers in zip(amounts, bought.sum(axis=1).cumsum(), strict=True):
        total = total.merge(Moments.from_arrays(today))
        days.append((estimate(total, Kind.MEAN), float(buyers)))
    return days


def _sequence(control: Arm, treatment: Arm) -> Sequence | None:
    if not all(ready(one.n, buyers) for one, buyers in (control, treatment)):
        return None
    return Sequence(n=float(control[0].n + treatment[0].n), planned_n=PLANNED)


def _alarm(control: Arm, treatment: Arm, rule: Rule) -> bool:
    result = compare_estimates(control[0], treatment[0], alpha=ALPHA, control_name="c", arm="t", rule=rule)
    return result.significant


def _exaggeration() -> Iterator[Figure]:
    drift, runs = FIXED + 0.8416212335729143, 60_000
    fractions = _fractions()
    walks = _walks(drift, 506, runs=runs)
    crossed = np.abs(walks) >= np.array(bounds(fractions, ALPHA))
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), DAYS)
    last = np.minimum(first, DAYS - 1)
    ratio = walks[np.arange(runs), last] / np.sqrt((last + 1) / DAYS) / drift
    for day in (10, 14, 20):
        stopped = ratio[(first == day - 1) & (ratio > 0)]
        computed = early_stop_exaggeration(fractions[:day], ALPHA, 0.8)
        note = f"{stopped.size:,} of {runs:,} runs at 80 % power stopped there; the formula says {computed:.2f}"
        name = f"exaggeration of an effect that stops on day {day}"
        yield _figure(name, float(stopped.mean()), computed * 0.97, computed * 1.03, note)
    for name, before, low, high in (
        ("by day 14", 14, 1.88, 1.98),
        ("before day 21", 20, 1.49, 1.55),
        ("before the end", DAYS - 1, 1.29, 1.33),
    ):
        stopped = ratio[(first < before) & (ratio > 0)]
        note = f"{stopped.size / runs:.0%} of {runs:,} runs at 80 % power"
        yield _figure(f"exaggeration, mean of all that stop {name}", float(stopped.mean()), low, high, note)


def _any(z: Floats, limits: Floats) -> float:
    return float((np.abs(z) >= limits).any(axis=1).mean())


def _mean_stop(z: Floats, limits: Floats) -> float:
    """The look of the first crossing, the last one where there is none."""
    crossed = np.abs(z) >= limits
    return float(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, z.shape[1]).mean())


def _figure(name: str, value: float, low: float, high: float, note: str) -> Figure:
    return Figure(name=name, value=float(value), low=low, high=high, note=note)
