import math

import numpy as np
import pytest

from experiments.errors import InvalidInput
from experiments.stats.exaggeration import early_stop_exaggeration, exaggeration
from experiments.stats.spending import bounds


@pytest.mark.parametrize(("critical", "signal"), [(1.96, 1.0), (1.96, 2.8), (3.4, 2.0)])
def test_one_look_agrees_with_a_simulation(critical: float, signal: float) -> None:
    z = np.random.default_rng(1).normal(signal, 1, 2_000_000)
    assert exaggeration(critical, signal) == pytest.approx(z[z >= critical].mean() / signal, rel=0.005)


def test_a_weak_signal_is_exaggerated_more() -> None:
    ratios = [exaggeration(1.96, signal) for signal in (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] == pytest.approx(1.0, abs=1e-6)
    assert math.isfinite(exaggeration(40.0, 0.1))


def test_an_early_stop_agrees_with_a_simulation() -> None:
    fractions = [0.25, 0.5, 0.75, 1.0]
    drift = 1.959964 + 0.841621
    rng = np.random.default_rng(2)
    z = rng.normal(drift / 4, 0.5, (1_000_000, 4)).cumsum(axis=1) / np.sqrt(fractions)
    crossed = np.abs(z) >= np.array(bounds(fractions, 0.05))
    for look in range(1, 4):
        first = crossed[:, look] & ~crossed[:, :look].any(axis=1) & (z[:, look] > 0)
        simulated = z[first, look].mean() / math.sqrt(fractions[look]) / drift
        assert early_stop_exaggeration(fractions[: look + 1], 0.05, 0.8) == pytest.approx(simulated, rel=0.01)


def test_the_earlier_the_stop_the_larger_the_exaggeration() -> None:
    looks = [look / 10 for look in range(1, 11)]
    ratios = [early_stop_exaggeration(looks[:count], 0.05, 0.8) for count in range(4, 11)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 1.8


def test_a_stop_that_never_happens_has_no_ratio() -> None:
    assert math.isnan(early_stop_exaggeration([0.01], 0.05, 0.8))


@pytest.mark.parametrize("power", [0.0, 0.05, 1.0, math.nan])
def test_power_out_of_range_is_refused(power: float) -> None:
    with pytest.raises(InvalidInput, match="power"):
        early_stop_exaggeration([0.5], 0.05, power)


def test_a_signal_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="signal_to_noise"):
        exaggeration(1.96, 0.0)
