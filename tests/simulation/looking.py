"""Looking before the end: false alarms, power and exaggeration of the stopping plans over 28 daily looks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from experiments.contracts import Plan, Unit
from experiments.inference.looks import looks_of
from experiments.stats.exaggeration import early_stop_exaggeration
from experiments.stats.sequence import Sequence
from experiments.stats.spending import Spending, bounds
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]

DAYS, RUNS, ALPHA = 28, 5_000, 0.05
USERS = 200  # an arm and day; orders of 8 % of them, lognormal amounts: skewed, as revenue is
FIXED = 1.959963984540054
POWER_CELL = FIXED + 0.8064212470182404  # drift at which one look has 79 %
PLANNED = 2.0 * DAYS * USERS


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    null, cell = _walks(0.0, 501), _walks(POWER_CELL, 502)
    return (*_spending(null, cell), *_sequences(null, cell), *_daily(), *_exaggeration())


def _walks(drift: float, seed: int, days: int = DAYS, runs: int = RUNS) -> Floats:
    """z of each run and day, for a test whose expected z at the last day is ``drift``: shape (runs, days)."""
    rng = np.random.default_rng(seed)
    fractions = np.arange(1, days + 1) / days
    score = rng.normal(drift / days, math.sqrt(1 / days), (runs, days)).cumsum(axis=1)
    return np.asarray(score / np.sqrt(fractions))


def _fractions(days: int = DAYS) -> tuple[float, ...]:
    return tuple(day / days for day in range(1, days + 1))


def _spending(null: Floats, cell: Floats) -> Iterator[Figure]:
    limits = np.array(bounds(_fractions(), ALPHA))
    note = f"{RUNS:,} runs of {DAYS} equal looks"
    yield _share("spending: any false alarm", _any(null, limits), 0.04, 0.06, note)
    yield _share("spending: power where one look has 79 %", _any(cell, limits), 0.74, 1.0, note)
    daily = np.full(DAYS, FIXED)
    yield _share("daily 1.96, for contrast: any false alarm", _any(null, daily), 0.24, 0.29, note)
    crossed = np.abs(cell) >= limits
    stops = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, DAYS)
    yield Figure(
        name="spending: mean day of the stop, power cell", value=float(stops.mean()), low=18, high=24, note=note
    )
    yield Figure(name="spending: last bound / 1.96", value=limits[-1] / FIXED, low=1.0, high=1.15, note=note)
    fine = np.array(bounds(_fractions(100), ALPHA))
    hundred = _walks(0.0, 503, days=100)
    yield _share("spending, 100 looks: any false alarm", _any(hundred, fine), 0.04, 0.06, f"{RUNS:,} runs")
    yield from _thinned()


def _thinned() -> Iterator[Figure]:
    """400 looks, of which the rule counts those a hundredth of the plan apart; each is judged by its own bound."""
    looks = 400
    plan = Plan(title="", unit=Unit.USER, arms=(), metrics=(), planned_units=looks)
    limits = []
    for look in range(1, looks + 1):
        known = looks_of(plan, look, range(1, look), days=1.0)
        limits.append(Spending(known.fractions).critical(ALPHA, 1e9))
    walks = _walks(0.0, 504, days=looks)
    note = f"{RUNS:,} runs; looks closer than 1 % of the plan count as one"
    yield _share("spending, 400 looks: any false alarm", _any(walks, np.array(limits)), 0.04, 0.06, note)


def _sequences(null: Floats, cell: Floats) -> Iterator[Figure]:
    note = f"{RUNS:,} runs of {DAYS} looks, {PLANNED:,.0f} users in all"
    for name, planned in (("tuned to the end", PLANNED), ("tuned to 5,000 users", 5_000.0)):
        limits = np.array(
            [Sequence(n=PLANNED * fraction, planned_n=planned).critical(ALPHA, 1e9) for fraction in _fractions()]
        )
        yield _share(f"sequence, {name}: any false alarm", _any(null, limits), 0.0, 0.02, note)
        yield _share(f"sequence, {name}: power where one look has 79 %", _any(cell, limits), 0.3, 0.6, note)
        width = limits[-1] / FIXED
        yield Figure(name=f"sequence, {name}: last half-width / fixed", value=width, low=1.4, high=1.9, note=note)


def _daily() -> Iterator[Figure]:
    """The same with per-user revenue, skewed, through means and variances of each day."""
    rng = np.random.default_rng(505)
    limits, alarms, runs = np.array(bounds(_fractions(), ALPHA)), 0, 2_000
    for _ in range(runs):
        sums = [_revenue(rng) for _ in range(2)]
        n = USERS * np.arange(1, DAYS + 1)
        means = [total / n for total, _ in sums]
        variances = [(square - n * mean**2) / (n - 1) for (_, square), mean in zip(sums, means, strict=True)]
        z = (means[1] - means[0]) / np.sqrt((variances[0] + variances[1]) / n)
        nominal = 2 * special.stdtr(2 * n - 2, -np.abs(z))
        alarms += bool((-special.ndtri(nominal / 2) >= limits).any())
    note = f"{runs:,} A/As of revenue per user, {USERS} users an arm and day, 8 % buy, lognormal amounts"
    yield _share("spending on revenue: any false alarm", alarms / runs, 0.035, 0.065, note)


def _revenue(rng: np.random.Generator) -> tuple[Floats, Floats]:
    amounts = (rng.random((DAYS, USERS)) < 0.08) * rng.lognormal(4, 0.8, (DAYS, USERS))
    return amounts.sum(axis=1).cumsum(), (amounts**2).sum(axis=1).cumsum()


def _exaggeration() -> Iterator[Figure]:
    drift = FIXED + 0.8416212335729143
    fractions = _fractions()
    limits = np.array(bounds(fractions, ALPHA))
    walks = _walks(drift, 506, runs=60_000)
    first = np.where((np.abs(walks) >= limits).any(axis=1), (np.abs(walks) >= limits).argmax(axis=1), -1)
    for day in (10, 14, 20):
        stopped = walks[(first == day - 1) & (walks[:, day - 1] > 0), day - 1]
        fraction = fractions[day - 1]
        simulated = float(stopped.mean() / math.sqrt(fraction) / drift)
        computed = early_stop_exaggeration(fractions[:day], ALPHA, 0.8)
        note = f"{stopped.size:,} of 60,000 runs at 80 % power stopped there; the formula says {computed:.2f}"
        yield Figure(
            name=f"exaggeration of an effect that stops on day {day}",
            value=simulated,
            low=computed * 0.97,
            high=computed * 1.03,
            note=note,
        )


def _any(z: Floats, limits: Floats) -> float:
    return float((np.abs(z) >= limits).any(axis=1).mean())


def _share(name: str, value: float, low: float, high: float, note: str) -> Figure:
    return Figure(name=name, value=value, low=low, high=high, note=note)
