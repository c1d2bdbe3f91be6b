"""Rating errors by hand, with user-level intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.offline.intervals import t_interval
from recommenders.offline.rating_metrics import rating_error


def test_errors_count_event_by_event_by_hand() -> None:
    found = rating_error(np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 1.0]), np.array([0, 0, 1]), 3)
    assert found["rmse"].mean() == pytest.approx(np.sqrt(17 / 3), rel=1e-12)
    assert found["mae"].mean() == pytest.approx(5 / 3, rel=1e-12)


def test_what_is_no_prediction_does_not_count() -> None:
    found = rating_error(np.array([1.0, -np.inf, np.nan]), np.array([2.0, 2.0, 1.0]), np.array([0, 0, 1]), 2)
    assert found["rmse"].mean() == pytest.approx(1)
    assert found["mae"].mean() == pytest.approx(1)


def test_without_a_prediction_there_is_no_error_and_a_perfect_one_has_none() -> None:
    nothing = rating_error(np.array([np.nan]), np.array([2.0]), np.array([0]), 2)
    assert np.isnan(nothing["rmse"]).all()
    assert np.isnan(nothing["mae"]).all()
    perfect = rating_error(np.array([2.0, 3.0]), np.array([2.0, 3.0]), np.array([0, 1]), 2)
    assert perfect["rmse"].tolist() == [0, 0]


def test_intervals_cover_although_the_errors_of_one_user_go_together() -> None:
    rng = np.random.default_rng(0)
    covered = {"rmse": 0, "mae": 0}
    truth = {"rmse": np.sqrt(1.25), "mae": np.sqrt(1.25) * np.sqrt(2 / np.pi)}
    for _ in range(600):
        users = np.repeat(np.arange(200), rng.integers(1, 12, size=200))
        error = rng.normal(size=200)[users] + rng.normal(scale=0.5, size=users.size)
        for metric, values in rating_error(error, np.zeros(users.size), users, 200).items():
            interval = t_interval(values)
            covered[metric] += interval.ci_low <= truth[metric] <= interval.ci_high
    assert all(0.92 <= count / 600 <= 0.97 for count in covered.values())
