import math

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.contracts import Kind, Reason
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments
from experiments.stats.strata import poststratify


def test_the_difference_is_the_weighted_difference_and_so_is_its_variance() -> None:
    rng = np.random.default_rng(1)
    strata = {
        name: {arm: Moments.from_arrays(rng.normal(mean, 1, size)) for arm, size in (("c", 70), ("t", 130))}
        for name, mean in (("new", 1.0), ("old", 4.0))
    }
    result = poststratify(strata, Kind.MEAN)
    weights = {"new": 0.5, "old": 0.5}
    effect = sum(w * (strata[s]["t"].mean[0] - strata[s]["c"].mean[0]) for s, w in weights.items())
    var = sum(w * w * sum(estimate(strata[s][a], Kind.MEAN).se ** 2 for a in "ct") for s, w in weights.items())
    compared = compare_estimates(result["c"], result["t"], alpha=0.05, control_name="c", arm="t")
    assert compared.effect == pytest.approx(effect, rel=1e-12)
    assert compared.se == pytest.approx(math.sqrt(var), rel=1e-12)


def test_it_agrees_with_a_saturated_regression() -> None:
    """Averaging the strata's effects by their shares is the regression with centred, interacted indicators."""
    rng = np.random.default_rng(2)
    n = 5_000
    stratum, treated = rng.integers(0, 3, n), rng.integers(0, 2, n).astype(float)
    y = np.array([0.0, 2.0, 5.0])[stratum] + treated * np.array([0.1, 0.2, 0.6])[stratum] + rng.normal(0, 1, n)
    indicators = np.stack([stratum == 1, stratum == 2], axis=1).astype(float)
    centred = indicators - indicators.mean(axis=0)
    fit = sm.OLS(y, np.column_stack([np.ones(n), treated, centred, centred * treated[:, None]])).fit(cov_type="HC2")
    arms = {"c": treated == 0, "t": treated == 1}
    strata = {
        str(s): {arm: Moments.from_arrays(y[(stratum == s) & these]) for arm, these in arms.items()} for s in range(3)
    }
    result = poststratify(strata, Kind.MEAN)
    compared = compare_estimates(result["c"], result["t"], alpha=0.05, control_name="c", arm="t")
    assert compared.effect == pytest.approx(fit.params[1], rel=1e-9)
    assert compared.se == pytest.approx(fit.bse[1], rel=1e-3)


def test_one_stratum_is_the_plain_comparison() -> None:
    arms = {"c": Moments.from_arrays([1.0, 2.0, 4.0]), "t": Moments.from_arrays([2.0, 3.0, 7.0])}
    plain = {arm: estimate(moments, Kind.MEAN) for arm, moments in arms.items()}
    assert poststratify({"all": arms}, Kind.MEAN) == plain


def test_a_stratum_that_an_arm_lacks_leaves_no_number() -> None:
    some = Moments.from_arrays([1.0, 2.0, 4.0])
    result = poststratify({"a": {"c": some, "t": some}, "b": {"c": some}}, Kind.MEAN)
    assert result["t"].reasons == (Reason.NO_UNITS,)
    assert math.isnan(result["t"].mean)
    assert result["c"].reasons == ()
