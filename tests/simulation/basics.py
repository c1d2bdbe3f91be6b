"""Click rates by user, and the interval of a relative lift where the control is barely distinct from 0."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import special

from experiments.contracts import Kind
from experiments.stats.comparison import compare, compare_estimates
from experiments.stats.estimate import Estimate
from experiments.stats.moments import Moments
from tests.simulation.figure import Figure

Integers = npt.NDArray[np.int64]

RUNS, USERS, IMPRESSIONS, CHUNK = 8_000, 1_000, 13, 500


def run() -> tuple[Figure, ...]:
    """All figures of this topic."""
    return (*_click_rates(), *_relative_lifts())


def _click_rates() -> Iterator[Figure]:
    rng = np.random.default_rng(20260101)
    delta = naive = 0
    for _ in range(RUNS // CHUNK):
        for control, treatment in zip(_user_sums(rng), _user_sums(rng), strict=True):
            arms = (_moments(control), _moments(treatment))
            delta += compare(*arms, kind=Kind.RATIO, alpha=0.05, control_name="a", arm="b").significant
            naive += _naive_p_value(control, treatment) <= 0.05
    note = f"{RUNS:,} A/As, {USERS:,} users an arm, clicks Beta(2, 38), impressions geometric with mean {IMPRESSIONS}"
    yield Figure(name="CTR: false positives by user", value=delta / RUNS, low=0.043, high=0.057, note=note)
    yield Figure(name="CTR: naive z on impressions, for contrast", value=naive / RUNS, low=0.1, high=0.15, note=note)


def _user_sums(rng: np.random.Generator) -> Integers:
    """Σy, Σv, Σy², Σyv, Σv² of clicks y and impressions v, per simulated arm."""
    v = rng.geometric(1 / IMPRESSIONS, (CHUNK, USERS))
    y = rng.binomial(v, rng.beta(2, 38, (CHUNK, USERS)))
    return np.stack([y.sum(1), v.sum(1), (y * y).sum(1), (y * v).sum(1), (v * v).sum(1)], axis=1)


def _moments(sums: Integers) -> Moments:
    y, v, yy, yv, vv = sums.tolist()
    return Moments.from_integer_sums(n=USERS, sums=[y, v], products=[[yy, yv], [yv, vv]])


def _naive_p_value(control: Integers, treatment: Integers) -> float:
    """Pooled z-test that takes impressions for independent units: wrong, shown as the contrast."""
    clicks, views = np.array([control[0], treatment[0]]), np.array([control[1], treatment[1]])
    pooled = clicks.sum() / views.sum()
    z = np.diff(clicks / views)[0] / math.sqrt(pooled * (1 - pooled) * (1 / views).sum())
    return float(2 * special.ndtr(-abs(z)))


def _relative_lifts() -> Iterator[Figure]:
    """Coverage of Fieller's interval beside that of the absolute one divided by the control's value."""
    runs, n, lift = 20_000, 10_000, 0.3
    for distance in (3, 5, 10):
        rng = np.random.default_rng(400 + distance)
        se = 1.0 / distance
        controls, treatments = rng.normal(1.0, se, runs), rng.normal(1.0 + lift, se, runs)
        covered = divided = 0
        for control, treatment in zip(controls.tolist(), treatments.tolist(), strict=True):
            c, t = (Estimate(n=n, mean=mean, var=se * se * n) for mean in (control, treatment))
            one = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
            covered += one.rel_ci_low <= lift <= one.rel_ci_high
            ends = sorted((one.ci_low / control, one.ci_high / control))
            divided += ends[0] <= lift <= ends[1]
        note = f"{runs:,} runs, control {distance} standard errors from 0, true lift {lift:+.0%}"
        yield Figure(
            name=f"relative lift: coverage at control mean / SE = {distance}",
            value=covered / runs,
            low=0.94,
            high=0.96,
            note=note,
        )
        yield Figure(
            name=f"relative lift: absolute interval / control mean at {distance}, for contrast",
            value=divided / runs,
            low=0.5,
            high=0.95,
            note=note,
        )
