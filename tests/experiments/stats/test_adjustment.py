import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.contracts import Comparison, Kind, Reason
from experiments.stats.adjustment import Adjusted, adjust
from experiments.stats.comparison import compare, compare_estimates
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments

Array = np.ndarray


def simulated(rng: np.random.Generator, n: int, rho: float, effect: float = 0.0) -> tuple[Array, Array]:
    x = rng.normal(0, 1, n)
    return effect + rho * x + math.sqrt(1 - rho * rho) * rng.normal(0, 1, n), x


def compared(adjusted: Adjusted) -> Comparison:
    control, treatment = adjusted.pair("c", "t")
    return compare_estimates(control, treatment, alpha=0.05, control_name="c", arm="t")


def interacted_regression(y: Array, treated: Array, x: Array) -> tuple[float, float]:
    """The treatment's coefficient and HC2 standard error of the fully interacted regression, covariates centred."""
    centred = x - x.mean(axis=0)
    design = np.column_stack([np.ones(y.size), treated, centred, centred * treated[:, None]])
    fit = sm.OLS(y, design).fit(cov_type="HC2")
    return float(fit.params[1]), float(fit.bse[1])


@pytest.mark.parametrize("covariates", [1, 3])
def test_the_estimate_is_that_of_the_interacted_regression_and_its_error_that_of_hc2(covariates: int) -> None:
    rng = np.random.default_rng(covariates)
    n = 4_000
    x = rng.normal(2, 3, (n, covariates))
    treated = (rng.random(n) < 0.3).astype(float)
    y = x @ np.linspace(1, 0.3, covariates) + 0.4 * treated + rng.normal(0, 2, n)
    arms = {
        name: Moments.from_arrays(y[treated == value], *x[treated == value].T) for name, value in (("c", 0), ("t", 1))
    }
    result = compared(adjust(arms, Kind.MEAN))
    effect, se = interacted_regression(y, treated, x)
    assert result.effect == pytest.approx(effect, rel=1e-9)
    assert result.se == pytest.approx(se, rel=0.01)


def test_a_ratio_is_adjusted_on_its_linearised_values() -> None:
    rng = np.random.default_rng(3)
    n = 3_000
    taste = rng.beta(2, 30, 2 * n)
    before = rng.binomial(40, taste).astype(float)
    v = 1.0 + rng.poisson(9, 2 * n)
    y = rng.binomial(v.astype(int), taste).astype(float)
    halves = (slice(0, n), slice(n, None))
    arms = {name: Moments.from_arrays(y[half], v[half], before[half]) for name, half in zip("ct", halves, strict=True)}
    linear = []
    for half in halves:
        ratio = y[half].sum() / v[half].sum()
        linear.append(ratio + (y[half] - ratio * v[half]) / v[half].mean())
    effect, se = interacted_regression(np.concatenate(linear), np.repeat([0.0, 1.0], n), before[:, None])
    result = compared(adjust(arms, Kind.RATIO))
    assert result.effect == pytest.approx(effect, rel=1e-9)
    assert result.se == pytest.approx(se, rel=0.01)
    assert result.se < compare(arms["c"], arms["t"], kind=Kind.RATIO, alpha=0.05, control_name="c", arm="t").se


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7, 0.9])
def test_the_variance_falls_by_the_square_of_the_correlation(rho: float) -> None:
    rng = np.random.default_rng(int(100 * rho))
    arms = {name: Moments.from_arrays(*simulated(rng, 40_000, rho)) for name in "ct"}
    assert adjust(arms, Kind.MEAN).reduction == pytest.approx(rho * rho, abs=0.02)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=4, max_size=30), st.floats(-1e6, 1e6))
@settings(max_examples=80, deadline=None)
def test_a_constant_covariate_changes_nothing(pairs: list[tuple[float, float]], constant: float) -> None:
    control, treatment = [a for a, _ in pairs], [b for _, b in pairs]
    arms = {
        "c": Moments.from_arrays(control, [constant] * len(pairs)),
        "t": Moments.from_arrays(treatment, [constant] * len(pairs)),
    }
    adjusted = adjust(arms, Kind.MEAN)
    assert adjusted.estimates == {arm: estimate(moments, Kind.MEAN) for arm, moments in arms.items()}
    assert adjusted.pair("c", "t") == (adjusted.estimates["c"], adjusted.estimates["t"])


def test_a_covariate_given_twice_counts_once() -> None:
    rng = np.random.default_rng(5)
    data = {arm: simulated(rng, 500, 0.6) for arm in "ct"}
    once = adjust({arm: Moments.from_arrays(y, x) for arm, (y, x) in data.items()}, Kind.MEAN)
    twice = adjust({arm: Moments.from_arrays(y, x, 3 * x - 1) for arm, (y, x) in data.items()}, Kind.MEAN)
    for arm in "ct":
        assert twice.estimates[arm].mean == pytest.approx(once.estimates[arm].mean, rel=1e-9)
        assert twice.estimates[arm].var == pytest.approx(once.estimates[arm].var, rel=1e-9)
        assert twice.estimates[arm].spent == 2


def test_adjustment_removes_a_difference_that_was_there_before() -> None:
    rng = np.random.default_rng(6)
    control = simulated(rng, 2_000, 0.95)
    y, x = simulated(rng, 2_000, 0.95)
    arms = {"c": Moments.from_arrays(*control), "t": Moments.from_arrays(y + 0.95 * 0.3, x + 0.3)}
    assert not compared(adjust(arms, Kind.MEAN)).significant
    assert compare(arms["c"], arms["t"], kind=Kind.MEAN, alpha=0.05, control_name="c", arm="t").significant


def test_slopes_that_differ_add_what_the_arms_share() -> None:
    """Without the shared term the interval of an effect that varies with x covers too rarely."""
    rng = np.random.default_rng(7)
    covered = bare = 0
    for _ in range(600):
        x_c, x_t = rng.normal(0, 1, 300), rng.normal(0, 1, 300)
        arms = {
            "c": Moments.from_arrays(-x_c + 0.2 * rng.normal(0, 1, 300), x_c),
            "t": Moments.from_arrays(x_t + 0.2 * rng.normal(0, 1, 300), x_t),
        }
        adjusted = adjust(arms, Kind.MEAN)
        result = compared(adjusted)
        without = compare_estimates(
            adjusted.estimates["c"], adjusted.estimates["t"], alpha=0.05, control_name="c", arm="t"
        )
        covered += result.ci_low <= 0 <= result.ci_high
        bare += without.ci_low <= 0 <= without.ci_high
    assert 0.92 <= covered / 600 <= 0.98
    assert bare / 600 < 0.5


def test_a_large_offset_costs_no_digits() -> None:
    rng = np.random.default_rng(8)
    data = {arm: simulated(rng, 2_000, 0.7) for arm in "ct"}
    near = adjust({arm: Moments.from_arrays(y, x) for arm, (y, x) in data.items()}, Kind.MEAN)
    far = adjust({arm: Moments.from_arrays(1e9 + y, 1e9 + x) for arm, (y, x) in data.items()}, Kind.MEAN)
    for arm in "ct":
        assert far.estimates[arm].var == pytest.approx(near.estimates[arm].var, rel=1e-5)
        assert far.estimates[arm].mean - 1e9 == pytest.approx(near.estimates[arm].mean, abs=1e-5)


def test_too_few_units_for_the_covariates_keep_the_plain_value() -> None:
    arms = {"c": Moments.from_arrays([1.0, 2.0], [3.0, 5.0]), "t": Moments.from_arrays([2.0, 4.0], [1.0, 1.5])}
    assert adjust(arms, Kind.MEAN).estimates["c"] == estimate(arms["c"], Kind.MEAN)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (([], []), Reason.NO_UNITS),
        (([1.0], [1.0]), Reason.TOO_FEW_UNITS),
        (([1.0, 2.0, 3.0], [1.0, math.nan, 2.0]), Reason.MISSING),
        (([1.0, math.nan, 3.0], [1.0, 4.0, 2.0]), Reason.MISSING),
    ],
)
def test_data_that_cannot_answer_says_why(columns: tuple[list[float], list[float]], reason: Reason) -> None:
    good = Moments.from_arrays([1.0, 2.0, 4.0, 3.0], [1.0, 1.0, 2.0, 3.0])
    adjusted = adjust({"c": good, "t": Moments.from_arrays(*columns)}, Kind.MEAN)
    assert reason in adjusted.estimates["t"].reasons
    assert math.isnan(compared(adjusted).p_value)
