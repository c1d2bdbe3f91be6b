"""Data that cannot answer gives nan and a reason, never 0, 1, an exception or a warning."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from experiments.contracts import Comparison, Kind, Reason
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments

GOOD = Moments.from_arrays([1.0, 2.0, 4.0])
INFERRED = ("se", "df", "ci_low", "ci_high", "p_value", "log_p", "rel_ci_low", "rel_ci_high")


def comparison(control: Moments, treatment: Moments, kind: Kind = Kind.MEAN) -> Comparison:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare(control, treatment, kind=kind, alpha=0.05, control_name="control", arm="treatment")


def ones(share: int, n: int) -> Moments:
    return Moments.from_arrays([1.0] * share + [0.0] * (n - share))


def assert_no_inference(result: Comparison, *reasons: Reason) -> None:
    assert all(math.isnan(getattr(result, name)) for name in INFERRED)
    assert not result.significant
    assert result.reasons == reasons


@pytest.mark.parametrize(
    ("bad", "reason", "mean_is_known"),
    [
        (Moments.empty(1), Reason.NO_UNITS, False),
        (Moments.from_arrays([3.0]), Reason.TOO_FEW_UNITS, True),
        (Moments.from_arrays([1.0, math.nan]), Reason.MISSING, False),
        (Moments.from_arrays([1.0, math.inf]), Reason.MISSING, False),
        (Moments.from_arrays([1e200, -1e200]), Reason.MISSING, False),
        (Moments.from_summary(n=10, mean=1.0, variance=math.nan), Reason.MISSING, False),
    ],
)
def test_an_arm_that_cannot_answer_says_why(bad: Moments, reason: Reason, mean_is_known: bool) -> None:
    assert_no_inference(comparison(GOOD, bad), reason)
    assert_no_inference(comparison(bad, GOOD), reason)
    assert_no_inference(comparison(bad, bad), reason)
    assert math.isnan(comparison(GOOD, bad).effect) != mean_is_known
    summary = summarise("a", bad, Kind.MEAN)
    assert summary.reasons == (reason,)
    assert math.isnan(summary.sd)
    assert math.isnan(summary.mean) != mean_is_known


def test_two_arms_with_different_troubles_name_both() -> None:
    assert_no_inference(comparison(Moments.empty(1), Moments.from_arrays([1.0])), Reason.NO_UNITS, Reason.TOO_FEW_UNITS)


@pytest.mark.parametrize("treatment", [2.0, 3.0])
def test_two_arms_without_variance_have_no_answer(treatment: float) -> None:
    result = comparison(Moments.from_arrays([2.0] * 50), Moments.from_arrays([treatment] * 40))
    assert_no_inference(result, Reason.NO_VARIANCE)
    assert result.effect == treatment - 2
    assert result.rel_effect == (treatment - 2) / 2


def test_rounding_is_not_taken_for_variance() -> None:
    columns = np.array([0.1, 0.3]) * np.ones((1000, 1))
    control = Moments.from_arrays(columns[:500, 0]).merge(Moments.from_summary(n=500, mean=0.1 + 1e-17, variance=0))
    noisy = Moments.from_summary(n=1000, mean=0.3, variance=1e-33)
    assert_no_inference(comparison(control, noisy), Reason.NO_VARIANCE)


def test_a_ratio_that_is_the_same_for_every_unit_has_no_variance() -> None:
    rng = np.random.default_rng(1)
    v = rng.integers(1, 100, 200).astype(float)
    arm = Moments.from_arrays(0.3 * v, v)
    assert_no_inference(comparison(arm, arm, Kind.RATIO), Reason.NO_VARIANCE)


def test_nobody_against_five_of_a_thousand_is_answered() -> None:
    result = comparison(ones(0, 1000), ones(5, 1000), Kind.PROPORTION)
    assert result.p_value == pytest.approx(2 * stats.t.sf(0.005 / math.sqrt(0.005 * 0.995 / 999), 999), rel=1e-9)
    assert result.ci_low > 0
    assert result.df == pytest.approx(999)
    assert result.reasons == (Reason.ZERO_BASELINE,)
    assert all(math.isnan(value) for value in (result.rel_effect, result.rel_ci_low, result.rel_ci_high))


def test_five_of_a_thousand_against_nobody_is_answered_with_a_caveat() -> None:
    result = comparison(ones(5, 1000), ones(0, 1000), Kind.PROPORTION)
    assert result.significant
    assert (result.rel_effect, result.rel_ci_low, result.rel_ci_high) == (-1, -1, -1)
    assert result.reasons == (Reason.NO_VARIANCE,)


def test_two_arms_where_nothing_happened_have_no_answer() -> None:
    assert_no_inference(
        comparison(ones(0, 1000), ones(0, 900), Kind.PROPORTION), Reason.NO_VARIANCE, Reason.ZERO_BASELINE
    )


def test_a_control_mean_of_zero_with_variance_has_no_relative_effect_only() -> None:
    result = comparison(Moments.from_arrays([-1.0, 1.0]), Moments.from_arrays([4.0, 5.0, 6.0]))
    assert result.reasons == (Reason.ZERO_BASELINE,)
    assert 0 < result.p_value < 1
    assert math.isnan(result.rel_effect)


def test_a_ratio_without_denominator_says_so() -> None:
    nothing = Moments.from_arrays([0.0, 0.0], [0.0, 0.0])
    good = Moments.from_arrays([1.0, 2.0], [3.0, 5.0])
    assert_no_inference(comparison(nothing, good, Kind.RATIO), Reason.NO_DENOMINATOR)
    assert_no_inference(comparison(good, nothing, Kind.RATIO), Reason.NO_DENOMINATOR)
    assert math.isnan(summarise("a", nothing, Kind.RATIO).mean)


def test_a_control_that_cannot_be_told_from_zero_is_unbounded() -> None:
    control = Moments.from_summary(n=50, mean=0.1, variance=1.0)
    unsettled = comparison(control, Moments.from_summary(n=50, mean=0.2, variance=1.0))
    assert (unsettled.rel_ci_low, unsettled.rel_ci_high) == (-math.inf, math.inf)
    assert unsettled.reasons == (Reason.UNBOUNDED,)
    clear = comparison(control, Moments.from_summary(n=50, mean=3.0, variance=1.0))
    assert clear.rel_ci_low > 0
    assert clear.rel_ci_high == math.inf
    assert clear.reasons == (Reason.UNBOUNDED,)
