"""Trust checks: how often they are wrong where nothing is, and what they find."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from experiments.contracts import Finding, Plan, PlannedArm, Severity, Source, Unit
from experiments.health import before, not_randomised, outcomes
from experiments.health.context import HealthContext
from experiments.health.skew import UNITS_PER_SQUARED_SKEW
from experiments.health.split import WRONG_E
from experiments.stats.moments import Moments
from experiments.stats.split import log_split_e_value
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

DAYS = 28
ARMS = tuple(PlannedArm(key=key) for key in ("control", "one", "other"))
CHUNK = 4_000_000  # values at a time


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    return (*split_figures(), *before_figures(), *outcome_figures(), *skew_figures())


def split_figures() -> tuple[Figure, ...]:
    """The sequential split check, looked at daily."""
    rng = np.random.default_rng(81)
    false = tuple(
        Figure(
            name=f"split: any false alarm in {DAYS} looks, planned {name}",
            value=float(np.mean(_alarm_days(share, share, 1_000, 4_000, rng) <= DAYS)),
            low=0.0,
            high=0.01,
            note="4,000 runs, 1,000 users a day, e ≥ 100",
        )
        for name, share in (("50/50", 0.5), ("90/10", 0.9))
    )
    found = tuple(
        Figure(
            name=f"split: 51/49 instead of 50/50 found by day 8, {daily:,} users a day",
            value=float(np.mean(_alarm_days(0.51, 0.5, daily, 1_000, rng) <= 8)),
            low=low,
            high=high,
            note="1,000 runs, one look a day, e ≥ 100",
        )
        for daily, low, high in ((5_000, 0.6, 0.9), (10_000, 0.97, 1.0))
    )
    return (*false, *found)


def _alarm_days(share: float, planned: float, daily: int, runs: int, rng: np.random.Generator) -> Integers:
    """The first day with e ≥ 100 of each run, ``DAYS`` + 1 where there is none."""
    totals = rng.binomial(daily, share, (runs, DAYS)).cumsum(axis=1)
    weights = [planned, 1 - planned]
    days = np.full(runs, DAYS + 1)
    for i, row in enumerate(totals.tolist()):
        for day, x in enumerate(row, 1):
            if log_split_e_value([x, daily * day - x], weights) >= math.log(WRONG_E):
                days[i] = day
                break
    return days


def before_figures() -> tuple[Figure, ...]:
    """What is known from before exposure: skewed covariates of equal arms, and arms that were not formed at random."""
    rng = np.random.default_rng(82)
    alike = [_covariates(10, 3, 500, rng) for _ in range(3_000)]
    note = "3,000 A/As, 10 covariates (lognormal, sigma 1), 2 treatments, 500 users an arm"
    repeated = [_looked_at_daily(rng) for _ in range(2_000)]
    picked = [_covariates(10, 3, 5_000, rng, shift=0.15) for _ in range(200)]
    return (
        Figure(
            name="before: a warning where nothing is, 20 comparisons",
            value=_share(before.check, alike, Severity.WARNING),
            low=0.005,
            high=0.025,
            note=f"{note}; .001 a comparison",
        ),
        Figure(
            name="before: any warning in 28 daily looks at one comparison",
            value=float(np.mean(repeated)),
            low=0.0,
            high=0.012,
            note="2,000 A/As, one normal covariate, 50 users an arm and day",
        ),
        Figure(
            name="not_randomised: a veto where nothing is",
            value=_share(not_randomised.check, alike, Severity.FAILURE),
            low=0.0,
            high=0.0,
            note=note,
        ),
        Figure(
            name="not_randomised: a veto where one arm was picked",
            value=_share(not_randomised.check, picked, Severity.FAILURE),
            low=0.9,
            high=1.0,
            note="200 runs, as above with 5,000 users an arm; one covariate of one arm is .15 sd higher",
        ),
    )


def _covariates(count: int, arms: int, n: int, rng: np.random.Generator, shift: float = 0.0) -> HealthContext:
    """``shift`` moves the first covariate of the last arm, in standard deviations."""
    values = rng.lognormal(size=(count, arms, n))
    values[0, -1] += shift * math.sqrt((math.e - 1) * math.e)
    mean, var = values.mean(axis=2), values.var(axis=2, ddof=1)
    return _context(
        {
            f"c{i}": {
                arm.key: Moments.from_summary(n=n, mean=mean[i, j], variance=var[i, j])
                for j, arm in enumerate(ARMS[:arms])
            }
            for i in range(count)
        },
        arms,
    )


def _looked_at_daily(rng: np.random.Generator, daily: int = 50) -> bool:
    values = rng.standard_normal((2, DAYS, daily))
    sums, squares = values.sum(axis=2).cumsum(axis=1), (values**2).sum(axis=2).cumsum(axis=1)
    for day in range(DAYS):
        n = daily * (day + 1)
        by_arm = {
            arm.key: Moments.from_shifted_sums(n=n, shift=[0.0], sums=[sums[j, day]], products=[[squares[j, day]]])
            for j, arm in enumerate(ARMS[:2])
        }
        if before.check(_context({"c": by_arm}, 2)).severity is not Severity.OK:
            return True
    return False


def _context(known: dict[str, dict[str, Moments]], arms: int) -> HealthContext:
    plan = Plan(title="", unit=Unit.USER, arms=ARMS[:arms], metrics=())
    return HealthContext(plan=plan, source=Source(name=""), units={}, moments={}, before=known)


def _share(check: Callable[[HealthContext], Finding], contexts: list[HealthContext], of: Severity) -> float:
    return float(np.mean([check(context).severity is of for context in contexts]))


def outcome_figures() -> tuple[Figure, ...]:
    """Two per cent of the outcomes are missing, in every arm alike."""
    rng = np.random.default_rng(83)
    missing = rng.binomial(5_000, 0.02, (20_000, 3)).tolist()
    p_values = np.array([outcomes.evenness_p(absent, [5_000] * 3) for absent in missing])
    return (
        Figure(
            name="outcomes: called uneven where they are not",
            value=float(np.mean(p_values < outcomes.UNEVEN_P)),
            low=0.0,
            high=0.002,
            note="20,000 A/As of three arms of 5,000 users, 2 % missing",
        ),
    )


def skew_figures() -> tuple[Figure, ...]:
    """Equal arms of unequal size: how often is the smaller one called worse at two-sided 5 %?"""
    rng = np.random.default_rng(84)
    spent = _buyers(0.05, lambda rng, size: rng.lognormal(0, 1.5, size))
    wide = _buyers(0.05, lambda rng, size: rng.lognormal(0, 2.0, size))
    heavy = _buyers(0.05, lambda rng, size: 1 + rng.pareto(1.8, size))
    cases: tuple[tuple[str, Draw, tuple[tuple[float, float, float], ...]], ...] = (
        (
            "lognormal revenue (sigma 1.5)",
            spent,
            ((1, 0.01, 0.03), (1.5, 0.02, 0.05), (4, 0.05, 0.12), (9, 0.06, 0.22)),
        ),
        ("lognormal revenue (sigma 2)", wide, ((1, 0.005, 0.03), (1.5, 0.02, 0.06), (4, 0.06, 0.15), (9, 0.06, 0.22))),
        ("Pareto revenue (index 1.8)", heavy, ((1, 0.01, 0.03), (1.5, 0.02, 0.05), (4, 0.03, 0.09), (9, 0.06, 0.22))),
    )
    small = tuple(
        _skew_figure(f"{name}, 1,000 users", draw, 1_000, times, 2_000, (low, high), rng)
        for name, draw, bars in cases
        for times, low, high in bars
    )
    skewness = (math.exp(0.25) + 2) * math.sqrt(math.exp(0.25) - 1)  # of a lognormal with sigma .5
    enough = math.ceil(UNITS_PER_SQUARED_SKEW * skewness**2)
    capped = tuple(
        _skew_figure(f"lognormal revenue {name}, 5,000 users", _capped(spent, z), 5_000, 9, 3_000, bar, rng)
        for name, z, bar in (
            ("as it is", math.inf, (0.05, 0.10)),
            ("capped at p99 of the buyers", 2.326, (0.03, 0.07)),
            ("capped at p95 of the buyers", 1.645, (0.02, 0.05)),
        )
    )
    return (
        *small,
        *capped,
        _skew_figure(
            f"lognormal values with skewness {skewness:.2f}, the {enough:,} users that are enough",
            lambda rng, size: rng.lognormal(0, 0.5, size),
            enough,
            9,
            8_000,
            (0.02, 0.035),
            rng,
        ),
    )


def _capped(amount: Draw, z: float) -> Draw:
    """At a quantile of the lognormal amounts, told by its normal deviate."""
    return lambda rng, size: np.minimum(amount(rng, size), math.exp(1.5 * z))


def _skew_figure(
    name: str, draw: Draw, n: int, times: float, runs: int, bar: tuple[float, float], rng: np.random.Generator
) -> Figure:
    return Figure(
        name=f"skew: smaller arm called worse at {100 * times / (1 + times):.0f}/{100 / (1 + times):.0f}, {name}",
        value=_called_worse(draw, n, round(times * n), runs, rng),
        low=bar[0],
        high=bar[1],
        note=f"{runs:,} A/As, 2.5 % expected",
    )


def _called_worse(draw: Draw, n_small: int, n_large: int, runs: int, rng: np.random.Generator) -> float:
    """t ≤ −1.96 of the smaller arm minus the larger one."""
    worse = done = 0
    while done < runs:
        rows = min(max(CHUNK // (n_small + n_large), 1), runs - done)
        small, large = draw(rng, (rows, n_small)), draw(rng, (rows, n_large))
        se = np.sqrt(small.var(axis=1, ddof=1) / n_small + large.var(axis=1, ddof=1) / n_large)
        worse += int(np.sum(small.mean(axis=1) - large.mean(axis=1) <= -1.96 * se))
        done += rows
    return worse / runs


def _buyers(share: float, amount: Draw) -> Draw:
    """Most users spend nothing."""
    return lambda rng, size: np.where(rng.random(size) < share, amount(rng, size), 0.0)
