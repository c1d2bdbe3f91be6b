import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from experiments.contracts import Direction, Posterior
from experiments.errors import InvalidInput
from experiments.stats.bayes import Prior, posterior
from experiments.stats.student import critical_value

NUMBERS = [field.name for field in fields(Posterior) if field.name != "arm"]


def view(
    effect: float, se: float, prior: Prior | None = None, direction: Direction = Direction.INCREASE, alpha: float = 0.05
) -> Posterior:
    return posterior(effect=effect, se=se, direction=direction, alpha=alpha, prior=prior, arm="treatment")


def test_no_effect_by_hand() -> None:
    result = view(0.0, 2.0)
    assert result.arm == "treatment"
    assert result.chance_to_beat == 0.5
    assert result.expected_loss == result.loss_of_staying == pytest.approx(2 / math.sqrt(2 * math.pi))
    assert (result.mean, result.sd) == (0.0, 2.0)
    assert (result.ci_low, result.ci_high) == pytest.approx((-3.919928, 3.919928), abs=1e-6)


def test_a_prior_as_wide_as_the_noise_halves_the_effect() -> None:
    result = view(3.0, 1.0, Prior(sd=1.0))
    assert result.mean == pytest.approx(1.5, rel=1e-15)
    assert result.sd == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert view(3.0, 1.0, Prior(mean=1.0, sd=1.0)).mean == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("prior", [None, Prior(sd=0.3), Prior(mean=-0.4, sd=2.0)])
@pytest.mark.parametrize(("effect", "se"), [(0.7, 0.5), (-1.2, 0.4), (5.0, 1.0), (-9.0, 1.1)])
def test_the_posterior_agrees_with_bayes_rule_on_a_grid(effect: float, se: float, prior: Prior | None) -> None:
    grid = np.linspace(-25, 25, 500_001)
    density = stats.norm.pdf(effect, grid, se)
    if prior:
        density = density * stats.norm.pdf(grid, prior.mean, prior.sd)
    density /= density.sum()
    mean = (density * grid).sum()
    ours = view(effect, se, prior)
    assert ours.mean == pytest.approx(mean, rel=1e-9)
    assert ours.sd == pytest.approx(math.sqrt((density * (grid - mean) ** 2).sum()), rel=1e-9)
    # the grid's point at 0 belongs half to either side
    assert ours.chance_to_beat == pytest.approx(density[grid > 0].sum() + density[grid == 0].sum() / 2, abs=1e-7)
    assert ours.expected_loss == pytest.approx((density * np.maximum(-grid, 0)).sum(), rel=1e-6, abs=1e-12)
    assert ours.loss_of_staying == pytest.approx((density * np.maximum(grid, 0)).sum(), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("z", [0.1, 1.0, 3.0, 8.0, 15.0, 25.0, 37.0])
def test_the_loss_of_a_clear_winner_keeps_its_digits(z: float) -> None:
    # E[max(0, −g)] = φ(z) ∫ t exp(−z t − t² / 2) dt over t > 0, substituted t = u / z
    integral, _ = integrate.quad(lambda u: u * math.exp(-u - (u / z) ** 2 / 2), 0, 60, epsabs=0, epsrel=1e-12)
    expected = stats.norm.pdf(z) * integral / z**2
    assert view(z, 1.0).expected_loss == pytest.approx(expected, rel=1e-11)
    assert view(-z, 1.0).loss_of_staying == pytest.approx(expected, rel=1e-11)
    assert view(-z, 1.0).chance_to_beat == pytest.approx(stats.norm.sf(z), rel=1e-12)


@pytest.mark.parametrize("z", [38.0, 41.0, 1e10, 1e300])
def test_an_absurd_effect_costs_nothing_or_all(z: float) -> None:
    assert view(z, 1.0).chance_to_beat == 1
    assert 0 <= view(z, 1.0).expected_loss < 1e-300
    assert view(z, 1.0).loss_of_staying == z
    assert 0 <= view(-z, 1.0).chance_to_beat < 1e-300
    assert view(z, 1e-300).loss_of_staying == z


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.none() | st.floats(1e-3, 1e3).map(lambda sd: Prior(sd=sd)))
def test_swapping_the_arms_swaps_the_losses_and_direction_is_a_swap(
    effect: float, se: float, prior: Prior | None
) -> None:
    there, back = view(effect, se, prior), view(-effect, se, prior)
    assert (there.expected_loss, there.loss_of_staying) == (back.loss_of_staying, back.expected_loss)
    assert there.chance_to_beat == pytest.approx(1 - back.chance_to_beat, abs=1e-15)
    assert (there.ci_low, there.ci_high) == (-back.ci_high, -back.ci_low)
    less = view(effect, se, prior, Direction.DECREASE)
    assert (less.chance_to_beat, less.expected_loss) == (back.chance_to_beat, back.expected_loss)
    assert (less.mean, less.ci_low, less.ci_high) == (there.mean, there.ci_low, there.ci_high)


@given(st.floats(-100, 100), st.floats(0.01, 100), st.floats(0.01, 100))
def test_losses_differ_by_the_mean_and_a_prior_only_shrinks(effect: float, se: float, prior_sd: float) -> None:
    flat, informed = view(effect, se), view(effect, se, Prior(sd=prior_sd))
    for result in (flat, informed):
        assert min(result.expected_loss, result.loss_of_staying) >= 0
        assert result.loss_of_staying - result.expected_loss == pytest.approx(result.mean, rel=1e-9, abs=1e-9)
    assert informed.sd <= min(se, prior_sd) * (1 + 1e-15)
    assert abs(informed.mean) <= abs(effect)
    assert effect * informed.mean >= 0


@given(st.floats(-100, 100), st.floats(0.01, 100), st.floats(0.01, 10), st.integers(-40, 40))
def test_another_unit_scales_all_but_the_chance(effect: float, se: float, prior_sd: float, power: int) -> None:
    unit = 2.0**power
    plain, scaled = view(effect, se, Prior(sd=prior_sd)), view(effect * unit, se * unit, Prior(sd=prior_sd * unit))
    for name in NUMBERS:
        factor = 1 if name == "chance_to_beat" else unit
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name) * factor, rel=1e-12), name


@given(st.floats(-10, 10), st.floats(0.001, 0.5), st.floats(0.51, 0.999))
def test_more_credibility_is_a_wider_interval(effect: float, low: float, high: float) -> None:
    wide, narrow = view(effect, 1.0, alpha=low), view(effect, 1.0, alpha=high)
    assert wide.ci_low < narrow.ci_low <= effect <= narrow.ci_high < wide.ci_high


def test_a_wide_prior_is_no_prior() -> None:
    flat, wide = view(0.3, 0.2), view(0.3, 0.2, Prior(sd=1e9))
    for name in NUMBERS:
        assert getattr(wide, name) == pytest.approx(getattr(flat, name), rel=1e-12), name


def test_with_a_flat_prior_the_interval_is_that_of_a_test_with_many_units() -> None:
    result = view(1.0, 0.5)
    assert result.ci_high == pytest.approx(1 + 0.5 * critical_value(0.05, 1e12), rel=1e-9)
    assert result.ci_high < 1 + 0.5 * critical_value(0.05, 30)
    assert result.chance_to_beat == pytest.approx(1 - stats.norm.sf(2.0), rel=1e-12)


def test_with_a_true_prior_the_chances_come_true() -> None:
    rng = np.random.default_rng(11)
    truth = rng.normal(0, 0.7, 20_000)
    results = [view(effect, 1.0, Prior(sd=0.7)) for effect in rng.normal(truth, 1.0)]
    chance = np.array([result.chance_to_beat for result in results])
    for low, high in ((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)):
        chosen = (chance > low) & (chance < high)
        assert (truth[chosen] > 0).mean() == pytest.approx(chance[chosen].mean(), abs=0.03)
    inside = [result.ci_low <= true <= result.ci_high for result, true in zip(results, truth, strict=True)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.006)
    loss = np.mean([result.expected_loss for result in results])
    assert np.maximum(0, -truth).mean() == pytest.approx(loss, rel=0.05)


@pytest.mark.parametrize(
    ("effect", "se"), [(math.nan, 1.0), (1.0, math.nan), (1.0, 0.0), (0.0, 0.0), (math.inf, 1.0), (1.0, math.inf)]
)
@pytest.mark.parametrize("prior", [None, Prior(sd=1.0)])
def test_an_effect_without_a_usable_error_has_no_posterior(effect: float, se: float, prior: Prior | None) -> None:
    result = view(effect, se, prior)
    assert all(math.isnan(getattr(result, name)) for name in NUMBERS)


@pytest.mark.parametrize("control_mean", [0.0, math.nan, math.inf])
def test_a_relative_prior_without_a_control_mean_has_no_posterior(control_mean: float) -> None:
    result = view(1.0, 1.0, Prior.relative(0.05, control_mean))
    assert all(math.isnan(getattr(result, name)) for name in NUMBERS)


@pytest.mark.parametrize("sd", [0.0, -1.0, math.inf, math.nan])
def test_a_relative_width_without_sense_is_refused(sd: float) -> None:
    with pytest.raises(InvalidInput, match="prior sd"):
        Prior.relative(sd, 10.0)


def test_senseless_arguments_are_refused() -> None:
    for sd in (0.0, -1.0, math.inf):
        with pytest.raises(InvalidInput, match="prior sd"):
            Prior(sd=sd)
    with pytest.raises(InvalidInput, match="prior mean"):
        Prior(mean=math.nan, sd=1.0)
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(InvalidInput, match="alpha"):
            view(1.0, 1.0, alpha=alpha)
    with pytest.raises(InvalidInput, match="se"):
        view(1.0, -1.0)
