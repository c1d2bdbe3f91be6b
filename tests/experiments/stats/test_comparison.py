import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans

from experiments.contracts import Comparison, Kind
from experiments.errors import InvalidInput
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments


def comparison(control: Moments, treatment: Moments, kind: Kind = Kind.MEAN, alpha: float = 0.05) -> Comparison:
    return compare(control, treatment, kind=kind, alpha=alpha, control_name="control", arm="treatment")


def test_two_small_groups_by_hand() -> None:
    result = comparison(Moments.from_arrays([1.0, 2.0, 3.0]), Moments.from_arrays([4.0, 5.0, 6.0]))
    assert (result.control, result.arm) == ("control", "treatment")
    assert result.effect == 3
    assert result.se == pytest.approx(math.sqrt(2 / 3))
    assert result.df == pytest.approx(4)
    assert result.ci_low == pytest.approx(3 - 2.7764451 * math.sqrt(2 / 3))
    assert result.rel_effect == 1.5
    assert result.reasons == ()


@pytest.mark.parametrize("seed", range(5))
def test_means_agree_with_scipy_and_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    control, treatment = rng.lognormal(2, 1, 300), rng.lognormal(2.2, 0.8, 211)
    ours = comparison(Moments.from_arrays(control), Moments.from_arrays(treatment))
    scipys = stats.ttest_ind(treatment, control, equal_var=False)
    low, high = CompareMeans.from_data(treatment, control).tconfint_diff(usevar="unequal")
    assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    assert ours.df == pytest.approx(scipys.df, rel=1e-9)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((low, high), rel=1e-9)
    assert ours.log_p == pytest.approx(math.log(scipys.pvalue), rel=1e-9)


def test_proportions_use_the_sample_variance() -> None:
    rng = np.random.default_rng(9)
    control, treatment = rng.random(900) < 0.1, rng.random(1100) < 0.13
    ours = comparison(Moments.from_arrays(control), Moments.from_arrays(treatment), Kind.PROPORTION)
    scipys = stats.ttest_ind(treatment.astype(float), control.astype(float), equal_var=False)
    assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)


def test_a_ratio_is_tested_on_its_linearised_values() -> None:
    rng = np.random.default_rng(4)
    arms = []
    for users, rate in ((400, 0.05), (500, 0.08)):
        v = 1.0 + rng.poisson(12, users)
        arms.append((rng.binomial(v.astype(int), rate).astype(float), v))
    ours = comparison(*(Moments.from_arrays(y, v) for y, v in arms), kind=Kind.RATIO)
    # adding the ratio to its linearised values (mean 0) makes a plain t-test of it
    control, treatment = (y.sum() / v.sum() + (y - y.sum() / v.sum() * v) / v.mean() for y, v in arms)
    scipys = stats.ttest_ind(treatment, control, equal_var=False)
    assert ours.effect == pytest.approx(treatment.mean() - control.mean(), rel=1e-9)
    assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)


def test_a_ratio_of_units_that_all_weigh_one_is_the_mean() -> None:
    rng = np.random.default_rng(5)
    groups = [rng.gamma(2, 3, size) for size in (150, 170)]
    means = comparison(*(Moments.from_arrays(y) for y in groups))
    ratios = comparison(*(Moments.from_arrays(y, np.ones(y.size)) for y in groups), kind=Kind.RATIO)
    for name in ("effect", "se", "df", "ci_low", "ci_high", "p_value", "rel_effect", "rel_ci_low", "rel_ci_high"):
        assert getattr(ratios, name) == pytest.approx(getattr(means, name), rel=1e-11), name


def test_an_offset_of_a_billion_changes_no_digit_that_matters() -> None:
    rng = np.random.default_rng(6)
    control, treatment = rng.normal(0, 1, 5_000), rng.normal(0.05, 1, 5_000)
    plain = comparison(Moments.from_arrays(control), Moments.from_arrays(treatment))
    offset = comparison(Moments.from_arrays(1e9 + control), Moments.from_arrays(1e9 + treatment))
    assert offset.se == pytest.approx(plain.se, rel=1e-6)
    assert offset.effect == pytest.approx(plain.effect, abs=1e-6)


def test_a_tiny_p_value_keeps_its_logarithm() -> None:
    result = comparison(
        Moments.from_summary(n=10**6, mean=1.0, variance=1.0), Moments.from_summary(n=10**6, mean=2.0, variance=1.0)
    )
    assert result.p_value == 0
    assert result.significant
    # t² = n / 2 on df = 2n − 2 degrees of freedom, so ln p ≈ −n ln(1 + 1/4)
    assert result.log_p == pytest.approx(-(10**6) * math.log(1.25), rel=1e-4)


def test_summaries_show_sums_and_spread() -> None:
    summary = summarise("a", Moments.from_arrays([1.0, 3.0], [2.0, 2.0]), Kind.RATIO)
    assert (summary.n, summary.numerator, summary.denominator, summary.mean) == (2, 4.0, 4.0, 1.0)
    assert summary.sd == pytest.approx(math.sqrt(0.5))
    assert summarise("a", Moments.from_arrays([1.0, 3.0]), Kind.MEAN).denominator == 2


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 5.0, math.nan])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    moments = Moments.from_arrays([1.0, 2.0])
    with pytest.raises(InvalidInput, match="alpha"):
        comparison(moments, moments, alpha=alpha)


@pytest.mark.parametrize(("kind", "width"), [(Kind.RATIO, 1), (Kind.MEAN, 0)])
def test_moments_that_do_not_fit_the_kind_are_refused(kind: Kind, width: int) -> None:
    with pytest.raises(InvalidInput, match="moments"):
        comparison(Moments.empty(width), Moments.empty(width), kind)
