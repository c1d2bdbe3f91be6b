import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.contracts import Reason
from experiments.errors import InvalidInput
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import Estimate
from experiments.stats.sequence import Sequence, ready, rho_squared, running_interval, running_p
from experiments.stats.spending import Spending


def mixture_half_width(se: float, tau2: float, alpha: float) -> float:
    """The mixture sequential probability ratio test, normal prior of variance τ² on the effect (Johari et al. 2022).

    Written from its likelihood ratio √(V / (V + τ²)) exp(τ² d² / (2 V (V + τ²))) ≥ 1 / α with V = se², solved for d.
    """
    v = se * se
    return math.sqrt(2 * v * (v + tau2) / tau2 * (math.log(1 / alpha) + math.log((v + tau2) / v) / 2))


@pytest.mark.parametrize("n", [200.0, 4_000.0, 90_000.0])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_half_width_is_that_of_the_mixture_test_with_the_same_tuning(n: float, alpha: float) -> None:
    se = 0.37
    rule = Sequence(n=n, planned_n=5_000.0, alpha=0.05)
    tau2 = n * rho_squared(0.05, 5_000.0) * se * se
    assert rule.critical(alpha, 1.0) * se == pytest.approx(mixture_half_width(se, tau2, alpha), rel=1e-9)


@given(z=st.floats(0, 40), n=st.floats(10, 1e7), planned=st.floats(100, 1e7), alpha=st.floats(0.001, 0.5))
@settings(max_examples=200, deadline=None)
def test_p_is_at_most_alpha_exactly_where_z_reaches_the_critical_value(
    z: float, n: float, planned: float, alpha: float
) -> None:
    rule = Sequence(n=n, planned_n=planned)
    critical, (p, log_p) = rule.critical(alpha, 9.0), rule.p_value(z, 9.0)
    assert log_p <= 0
    assert p == pytest.approx(math.exp(log_p))
    if abs(z - critical) > 1e-9 * critical:
        assert (p <= alpha) == (z >= critical)


def test_the_logarithm_of_p_stays_finite() -> None:
    assert Sequence(n=1e6, planned_n=1e6).p_value(1e4, 9.0) == (0.0, pytest.approx(-4.44e7, rel=0.01))


def test_the_tuning_is_best_where_it_was_planned() -> None:
    widths = {planned: Sequence(n=5_000.0, planned_n=planned).critical(0.05, 9.0) for planned in (500.0, 5e3, 5e4)}
    assert min(widths, key=lambda planned: widths[planned]) == 5e3


def test_the_running_p_value_never_rises_and_the_running_interval_never_grows() -> None:
    assert running_p([0.4, math.nan, 0.02, 0.3]) == 0.02
    assert math.isnan(running_p([]))
    assert running_interval([(-2.0, 2.0), (math.nan, math.nan), (-1.0, 3.0)]) == (-1.0, 2.0)
    assert all(map(math.isnan, running_interval([(0.0, 1.0), (2.0, 3.0)])))


def test_it_wants_a_hundred_units_and_twenty_conversions() -> None:
    assert ready(100, 20)
    assert not ready(99, 50)
    assert not ready(1_000, 19)
    assert ready(100, None)


@pytest.mark.parametrize("planned", [0.0, -1.0, math.inf, math.nan])
def test_a_plan_without_units_is_refused(planned: float) -> None:
    with pytest.raises(InvalidInput, match="planned_n"):
        rho_squared(0.05, planned)


def test_a_comparison_too_early_in_a_plan_has_its_effect_and_a_reason() -> None:
    one, other = Estimate(n=10, mean=1.0, var=1.0), Estimate(n=10, mean=2.0, var=1.0)
    result = compare_estimates(one, other, alpha=0.05, control_name="c", arm="t", rule=Spending((0.0005,)))
    assert result.effect == 1.0
    assert math.isnan(result.p_value)
    assert math.isnan(result.ci_low)
    assert result.reasons == (Reason.TOO_EARLY,)
