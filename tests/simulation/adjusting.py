"""Less variance: what covariates and caps do to the variance, and that false alarms stay where they are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from experiments.contracts import Kind
from experiments.stats.adjustment import adjust
from experiments.stats.comparison import compare_estimates
from experiments.stats.moments import Moments
from tests.simulation.figure import Figure

Floats = npt.NDArray[np.float64]

USERS, RUNS, ALPHA = 1_000, 4_000, 0.05


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    return (*_reductions(), *_false_positives(), *_shop())


def _reductions() -> Iterator[Figure]:
    rng = np.random.default_rng(301)
    for rho in (0.3, 0.5, 0.7, 0.9):
        arms = {name: _correlated(rng, 40_000, rho) for name in "ct"}
        value = adjust(arms, Kind.MEAN).reduction
        yield Figure(
            name=f"CUPED: variance taken away at correlation {rho}",
            value=value,
            low=rho * rho - 0.02,
            high=rho * rho + 0.02,
            note=f"rho² = {rho * rho:.2f}; 40,000 users an arm",
        )


def _correlated(rng: np.random.Generator, n: int, rho: float) -> Moments:
    x = rng.normal(0, 1, n)
    return Moments.from_arrays(rho * x + math.sqrt(1 - rho * rho) * rng.normal(0, 1, n), x)


def _false_positives() -> Iterator[Figure]:
    rng = np.random.default_rng(302)
    mean = sum(_alarm(_correlated(rng, USERS, 0.7), _correlated(rng, USERS, 0.7), Kind.MEAN) for _ in range(RUNS))
    ratio = sum(_alarm(_clicks(rng), _clicks(rng), Kind.RATIO) for _ in range(RUNS))
    note = f"{RUNS:,} A/As of {USERS:,} users an arm"
    yield Figure(name="CUPED: false positives, mean", value=mean / RUNS, low=0.04, high=0.06, note=note)
    yield Figure(
        name="CUPED: false positives, click rate by clicks and impressions before",
        value=ratio / RUNS,
        low=0.04,
        high=0.06,
        note=note,
    )


def _clicks(rng: np.random.Generator) -> Moments:
    taste = rng.beta(2, 38, USERS)
    views, earlier = rng.geometric(1 / 13, USERS), rng.geometric(1 / 13, USERS)
    return Moments.from_arrays(
        rng.binomial(views, taste).astype(float),
        views.astype(float),
        rng.binomial(earlier, taste).astype(float),
        earlier.astype(float),
    )


def _alarm(control: Moments, treatment: Moments, kind: Kind) -> bool:
    c, t = adjust({"c": control, "t": treatment}, kind).pair("c", "t")
    return compare_estimates(c, t, alpha=ALPHA, control_name="c", arm="t").significant


def _shop() -> Iterator[Figure]:
    """Revenue of a synthetic shop: few buyers, lognormal baskets, buying habits that last."""
    rng = np.random.default_rng(303)
    n = 200_000
    habit = rng.gamma(0.6, 0.08 / 0.6, n)
    before, after = (_revenue(rng, habit) for _ in range(2))
    cap = float(np.quantile(after[after > 0], 0.99))
    raw = _variance(after)
    note = "one shop of 200,000 users, 8 % buyers, revenue of the four weeks before as covariate; for orientation"
    for name, value in (
        ("CUPED", _variance(after, before)),
        ("a cap at p99", _variance(np.minimum(after, cap))),
        ("both", _variance(np.minimum(after, cap), np.minimum(before, cap))),
    ):
        figure = f"shop: variance of revenue taken away by {name}"
        yield Figure(name=figure, value=1 - value / raw, low=0, high=1, note=note)


def _revenue(rng: np.random.Generator, habit: Floats) -> Floats:
    orders = rng.poisson(habit)
    return np.array(orders * rng.lognormal(4, 1.1, habit.size))


def _variance(y: Floats, *x: Floats) -> float:
    half = y.size // 2
    arms = {
        name: Moments.from_arrays(y[part], *(one[part] for one in x))
        for name, part in (("c", slice(0, half)), ("t", slice(half, None)))
    }
    return sum(one.var for one in adjust(arms, Kind.MEAN).estimates.values())
