"""Seeded simulations of error rates: the numbers that docs/statistics quotes."""

import math

import numpy as np
from scipy import special

from experiments.contracts import Kind
from experiments.stats.comparison import compare
from experiments.stats.moments import Moments
from experiments.stats.split import log_split_e_value

RUNS, USERS, IMPRESSIONS = 8_000, 1_000, 13
CHUNK = 500


def user_sums(rng: np.random.Generator) -> np.ndarray:
    """Σy, Σv, Σy², Σyv, Σv² of clicks y and impressions v, per simulated arm.

    Users click with a probability from Beta(2, 38); their impressions are geometric with mean 13.
    """
    v = rng.geometric(1 / IMPRESSIONS, (CHUNK, USERS))
    y = rng.binomial(v, rng.beta(2, 38, (CHUNK, USERS)))
    return np.stack([y.sum(1), v.sum(1), (y * y).sum(1), (y * v).sum(1), (v * v).sum(1)], axis=1)


def moments(sums: np.ndarray) -> Moments:
    y, v, yy, yv, vv = sums.tolist()
    return Moments.from_integer_sums(n=USERS, sums=[y, v], products=[[yy, yv], [yv, vv]])


def naive_p_value(control: np.ndarray, treatment: np.ndarray) -> float:
    """Pooled z-test that takes impressions for independent units: wrong, shown as the contrast."""
    clicks, views = np.array([control[0], treatment[0]]), np.array([control[1], treatment[1]])
    pooled = clicks.sum() / views.sum()
    z = np.diff(clicks / views)[0] / math.sqrt(pooled * (1 - pooled) * (1 / views).sum())
    return float(2 * special.ndtr(-abs(z)))


def test_click_rates_of_equal_arms_differ_in_five_percent_of_tests_and_naively_in_twelve() -> None:
    rng = np.random.default_rng(20260101)
    delta = naive = 0
    for _ in range(RUNS // CHUNK):
        for control, treatment in zip(user_sums(rng), user_sums(rng), strict=True):
            result = compare(
                moments(control), moments(treatment), kind=Kind.RATIO, alpha=0.05, control_name="a", arm="b"
            )
            delta += result.significant
            naive += naive_p_value(control, treatment) <= 0.05
    print(f"\nfalse positives: user-level delta {delta / RUNS:.2%}, naive z on impressions {naive / RUNS:.2%}")
    assert 0.043 <= delta / RUNS <= 0.057
    assert 0.10 <= naive / RUNS <= 0.15


def test_a_correct_split_looked_at_for_28_days_alarms_in_less_than_one_percent() -> None:
    rng = np.random.default_rng(20260102)
    runs, days, daily = 2_000, 28, 1_000
    totals = rng.binomial(daily, 0.5, (runs, days)).cumsum(axis=1)
    alarms = sum(
        any(log_split_e_value([x, daily * day - x], [1, 1]) >= math.log(100) for day, x in enumerate(row, 1))
        for row in totals.tolist()
    )
    print(f"\nfalse alarms of the split check over {days} looks: {alarms / runs:.2%}")
    assert alarms / runs <= 0.01


def test_a_split_of_51_to_49_is_found_within_28_days() -> None:
    rng = np.random.default_rng(20260103)
    counts = rng.binomial(3_000, 0.51, (200, 28)).cumsum(axis=1)
    found = [log_split_e_value([x, 3_000 * 28 - x], [1, 1]) >= math.log(100) for x in counts[:, -1].tolist()]
    assert np.mean(found) >= 0.95
