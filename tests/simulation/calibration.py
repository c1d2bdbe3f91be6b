"""The A/A self-check itself: how often it finds a fault, and how often it blames a right method."""

from __future__ import annotations

import numpy as np
from scipy import special

from experiments.contracts import Kind
from experiments.stats.calibration import UNIFORM_AT, Runs, assess, binomial_band, calibrate, uniformity
from tests.simulation.figure import Figure

RUNS, ALPHA = 1_000, 0.05


def run() -> tuple[Figure, ...]:
    """Seeded; about 30 s on one core."""
    return (*_power(np.random.default_rng(20260401)), *_right_methods(np.random.default_rng(20260402)))


def _power(rng: np.random.Generator, repetitions: int = 4_000) -> tuple[Figure, ...]:
    """1,000 z-statistics whose standard error is taken for 10 % too small, or is right."""
    found = {shrunk: np.zeros(3) for shrunk in (0.9, 1.0)}
    for _ in range(repetitions):
        z = rng.normal(size=RUNS)
        for shrunk, counts in found.items():
            p_values = 2 * special.ndtr(-np.abs(z) / shrunk)
            counts += _alarms(p_values)
    uniform, band, badge = (found[0.9] / repetitions).tolist()
    return (
        Figure(name="SE 10 % too small: found by uniformity", value=uniform, low=0.77, high=0.85, note="81 % expected"),
        Figure(name="SE 10 % too small: found by the band of false positives", value=band, low=0.80, high=0.90),
        Figure(name="SE 10 % too small: badge refused", value=badge, low=0.90, high=0.97),
        Figure(name="right SE: badge refused", value=float(found[1.0][2]) / repetitions, low=0.0, high=0.03),
    )


def _alarms(p_values: np.ndarray) -> np.ndarray:
    covered = (p_values > ALPHA).astype(np.float64)
    result = assess("m", "plain", Runs(p_values=p_values, covered=covered), units=RUNS, alpha=ALPHA)
    low, high = binomial_band(RUNS, ALPHA)
    positives = round(result.false_positives * RUNS)
    return np.array([uniformity(p_values) < UNIFORM_AT, not low <= positives <= high, not result.passed])


def _right_methods(rng: np.random.Generator, repetitions: int = 25, n: int = 2_000) -> tuple[Figure, ...]:
    """Real runs on new users each time: every method is right, and nearly every badge should be given."""
    results = []
    for _ in range(repetitions):
        views = rng.geometric(1 / 13, n)
        clicks = rng.binomial(views, rng.beta(2, 38, n))
        taste = rng.gamma(2, 1, n)
        spend, before = taste + rng.gamma(2, 1, n), taste + rng.gamma(2, 1, n)
        for kind, columns, method in (
            (Kind.RATIO, [clicks, views], "plain"),
            (Kind.PROPORTION, [clicks > 0], "plain"),
            (Kind.MEAN, [spend, before], "adjusted"),
            (Kind.RATIO, [clicks, views, before], "adjusted"),
        ):
            results.append(
                calibrate(
                    "m", kind, np.array(columns, dtype=np.float64), method=method, runs=RUNS, alpha=ALPHA, rng=rng
                )
            )
    return (
        Figure(
            name="false positives of 100,000 re-randomised A/As",
            value=float(np.mean([one.false_positives for one in results])),
            low=0.045,
            high=0.055,
        ),
        Figure(
            name="coverage of an effect that differs between users",
            value=float(np.mean([one.coverage for one in results])),
            low=0.94,
            high=0.96,
        ),
        Figure(
            name="right methods without a badge",
            value=float(np.mean([not one.passed for one in results])),
            low=0.0,
            high=0.06,
            note="of 100; about 2 % expected",
        ),
    )
