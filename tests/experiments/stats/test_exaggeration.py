import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from experiments.errors import InvalidInput
from experiments.stats.exaggeration import early_stop_exaggeration, exaggeration
from experiments.stats.spending import bounds, equal_looks, single_look_drift


@pytest.mark.parametrize(("critical", "signal"), [(1.96, 2.8), (1.96, 0.5), (2.7, 2.2), (5.0, 1.0), (0.5, 6.0)])
def test_one_look_agrees_with_the_integral_over_what_is_reported(critical: float, signal: float) -> None:
    seen, _ = integrate.quad(lambda z: z * stats.norm.pdf(z, signal), critical, critical + 40, epsabs=1e-13)
    assert exaggeration(critical, signal) == pytest.approx(seen / stats.norm.sf(critical, signal) / signal, rel=1e-8)


@pytest.mark.parametrize("signal", [3.28, 1.0, 0.5])
def test_one_look_agrees_with_a_truncated_normal(signal: float) -> None:
    mean = stats.truncnorm.mean(1.96 - signal, np.inf, loc=signal)
    assert exaggeration(1.96, signal) == pytest.approx(mean / signal, rel=1e-9)


@given(critical=st.floats(0, 30), signal=st.floats(0.01, 30))
def test_what_is_reported_is_exaggerated_and_beyond_the_critical_value(critical: float, signal: float) -> None:
    ratio = exaggeration(critical, signal)
    assert ratio >= 1
    assert ratio * signal >= critical * (1 - 1e-12)


@pytest.mark.parametrize(("critical", "signal"), [(1e9, 1.0), (2.0, 1e9), (2.0, 1e-9)])
def test_far_out_it_stays_finite(critical: float, signal: float) -> None:
    assert exaggeration(critical, signal) == pytest.approx(max(critical, signal, 2.37) / signal, rel=0.01)


@pytest.mark.parametrize("fractions", [equal_looks(5)[:3], (0.1, 0.5), equal_looks(28)[:14], (0.6, 0.8, 1.0)])
def test_early_stops_agree_with_simulated_ones(fractions: tuple[float, ...]) -> None:
    rng, drift, runs = np.random.default_rng(17), single_look_drift(0.05, 0.8), 400_000
    score, running, before = np.zeros(runs), np.ones(runs, dtype=bool), 0.0
    for fraction, limit in zip(fractions, bounds(fractions, 0.05), strict=True):
        score += drift * (fraction - before) + math.sqrt(fraction - before) * rng.standard_normal(runs)
        stopped = running & (np.abs(score) >= limit * math.sqrt(fraction))
        running, before = running & ~stopped, fraction
    ratios = score[stopped & (score > 0)] / (drift * fractions[-1])
    error = ratios.std() / math.sqrt(ratios.size)
    assert early_stop_exaggeration(fractions, 0.05, 0.8) == pytest.approx(ratios.mean(), abs=4 * error)


def test_a_first_look_is_one_look_at_its_bound() -> None:
    fraction, drift = 0.4, single_look_drift(0.05, 0.9)
    expected = exaggeration(bounds([fraction], 0.05)[0], drift * math.sqrt(fraction))
    assert early_stop_exaggeration([fraction], 0.05, 0.9) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [5, 10, 28])
def test_the_earlier_the_stop_the_larger_the_exaggeration(count: int) -> None:
    fractions = equal_looks(count)
    ratios = [early_stop_exaggeration(fractions[: look + 1], 0.05, 0.8) for look in range(count)]
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    assert (np.diff(known) < 0).all()
    assert known[-1] < 1 < known[0]


@given(fraction=st.floats(0.2, 0.9), power=st.floats(0.3, 0.95), more=st.floats(1.01, 1.5))
@settings(deadline=None, max_examples=40)
def test_larger_effects_are_exaggerated_less(fraction: float, power: float, more: float) -> None:
    larger = 1 - (1 - power) / more
    ratio, other = (early_stop_exaggeration([fraction / 2, fraction], 0.05, one) for one in (power, larger))
    assert other < ratio


def test_a_stop_that_practically_never_happens_has_no_mean() -> None:
    assert math.isnan(early_stop_exaggeration([0.01], 0.05, 0.8))


@pytest.mark.parametrize(
    ("field", "fractions", "alpha", "power"),
    [
        ("fractions", [0.5, 0.4], 0.05, 0.8),
        ("fractions", [], 0.05, 0.8),
        ("alpha", [0.5], 0.0, 0.8),
        ("power", [0.5], 0.05, 0.05),
        ("power", [0.5], 0.05, 1.0),
    ],
)
def test_a_plan_that_cannot_be_is_refused(field: str, fractions: list[float], alpha: float, power: float) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}:"):
        early_stop_exaggeration(fractions, alpha, power)


@pytest.mark.parametrize("signal", [0.0, -1.0, math.nan])
def test_without_a_true_effect_nothing_can_be_exaggerated(signal: float) -> None:
    with pytest.raises(InvalidInput, match="signal_to_noise"):
        exaggeration(1.96, signal)
