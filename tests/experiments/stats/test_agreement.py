"""Properties of a comparison that hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from experiments.contracts import Comparison, Kind, Reason
from experiments.stats.comparison import compare
from experiments.stats.moments import Moments

VALUES = st.floats(-1000, 1000).map(lambda value: round(value, 6))
SAMPLES = st.lists(VALUES, min_size=2, max_size=30)
ALPHAS = st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.5])
SUMMARIES = st.builds(
    Moments.from_summary,
    n=st.integers(2, 10**7),
    mean=st.floats(-1e6, 1e6).map(lambda value: round(value, 9)),
    variance=st.floats(0, 1e9).map(lambda value: round(value, 9)),
)


def comparison(control: Moments, treatment: Moments, alpha: float = 0.05) -> Comparison:
    return compare(control, treatment, kind=Kind.MEAN, alpha=alpha, control_name="control", arm="treatment")


def excludes_zero(low: float, high: float) -> bool:
    return low > 0 or high < 0


def assert_consistent(result: Comparison) -> None:
    assert result.significant == (result.p_value <= result.alpha)
    assert result.significant == excludes_zero(result.ci_low, result.ci_high)
    assert result.ci_low <= result.effect <= result.ci_high
    if Reason.ZERO_BASELINE in result.reasons:
        assert math.isnan(result.rel_ci_low)
        assert math.isnan(result.rel_ci_high)
        return
    assert result.significant == excludes_zero(result.rel_ci_low, result.rel_ci_high)
    rounding = 1e-9 * max(1.0, abs(result.rel_effect))
    assert result.rel_ci_low - rounding <= result.rel_effect <= result.rel_ci_high + rounding
    unbounded = math.isinf(result.rel_ci_low) or math.isinf(result.rel_ci_high)
    assert unbounded == (Reason.UNBOUNDED in result.reasons)


@given(SUMMARIES, SUMMARIES, ALPHAS)
@example(Moments.from_summary(n=50, mean=0.001, variance=1), Moments.from_summary(n=50, mean=9, variance=1), 0.05)
@example(Moments.from_summary(n=50, mean=-0.001, variance=1), Moments.from_summary(n=50, mean=9, variance=1), 0.05)
@example(Moments.from_summary(n=50, mean=0.001, variance=1), Moments.from_summary(n=50, mean=-9, variance=1), 0.05)
@example(Moments.from_summary(n=50, mean=0.001, variance=1), Moments.from_summary(n=50, mean=0.01, variance=1), 0.05)
def test_p_value_and_both_intervals_never_disagree(control: Moments, treatment: Moments, alpha: float) -> None:
    result = comparison(control, treatment, alpha)
    assume(not math.isnan(result.p_value))
    assert_consistent(result)


@given(
    n=st.integers(2, 10**7),
    mean=st.floats(-1e4, 1e4),
    variance=st.floats(0.01, 1e6),
    errors=st.floats(-6, 6).filter(lambda errors: abs(errors) > 0.01),
)
def test_they_agree_at_the_very_border(n: int, mean: float, variance: float, errors: float) -> None:
    effect = errors * math.sqrt(variance * (1 / n + 1 / 500))
    control = Moments.from_summary(n=n, mean=mean, variance=variance)
    treatment = Moments.from_summary(n=500, mean=mean + effect, variance=variance)
    p = comparison(control, treatment).p_value
    for alpha in (p, math.nextafter(p, 0), math.nextafter(p, 1), p * (1 + 1e-12), p * (1 - 1e-12)):
        result = comparison(control, treatment, alpha)
        assert result.significant == (p <= alpha)
        assert_consistent(result)


@given(SAMPLES, SAMPLES)
def test_swapping_the_arms_flips_the_sign(control: list[float], treatment: list[float]) -> None:
    a, b = Moments.from_arrays(control), Moments.from_arrays(treatment)
    there, back = comparison(a, b), comparison(b, a)
    assert there.effect == -back.effect
    assert (there.se, there.df, there.p_value) == pytest.approx(
        (back.se, back.df, back.p_value), rel=1e-12, nan_ok=True
    )
    assert (there.ci_low, there.ci_high) == pytest.approx((-back.ci_high, -back.ci_low), rel=1e-9, nan_ok=True)


@given(SAMPLES, SAMPLES, st.sampled_from([1e-3, 0.5, 7.0, 1e6]))
def test_scaling_the_data_scales_the_effect_only(control: list[float], treatment: list[float], factor: float) -> None:
    plain = comparison(Moments.from_arrays(control), Moments.from_arrays(treatment))
    assume(plain.se > 1e-6)
    scaled = comparison(
        Moments.from_arrays(np.multiply(control, factor)), Moments.from_arrays(np.multiply(treatment, factor))
    )
    assert scaled.effect == pytest.approx(plain.effect * factor, rel=1e-9, abs=1e-9 * factor)
    assert scaled.se == pytest.approx(plain.se * factor, rel=1e-6)
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-6, abs=1e-12)


@given(SAMPLES, SAMPLES)
def test_more_confidence_means_a_wider_interval(control: list[float], treatment: list[float]) -> None:
    a, b = Moments.from_arrays(control), Moments.from_arrays(treatment)
    narrow, wide = comparison(a, b, 0.1), comparison(a, b, 0.01)
    assume(narrow.se > 1e-6)
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high
    if narrow.reasons == wide.reasons == ():
        assert wide.rel_ci_low < narrow.rel_ci_low < narrow.rel_ci_high < wide.rel_ci_high


@given(SAMPLES, st.integers(2, 500), VALUES)
def test_one_arm_without_variance_still_answers(sample: list[float], n: int, constant: float) -> None:
    assume(np.std(sample) > 1e-3)
    varying, fixed = Moments.from_arrays(sample), Moments.from_arrays([constant] * n)
    for pair in ((varying, fixed), (fixed, varying)):
        result = comparison(*pair)
        assert 0 <= result.p_value <= 1
        assert result.df == pytest.approx(len(sample) - 1)
        assert_consistent(result)
