import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from experiments.errors import InvalidInput
from experiments.stats.dunnett import LARGEST, Dunnett, loadings
from experiments.stats.rule import Once, Sidak
from experiments.stats.student import critical_value, two_sided_p

FAMILIES = [(0.5, 0.5), (0.5, 0.5, 0.5), (0.0, 0.3), (0.2, 0.5, 0.9), (0.95, 0.95), (0.7, 0.1, 0.4, 0.6, 0.25)]

# Dunnett 1964, two-sided, equal sizes (correlation .5): columns are 2, 3, 4, 5 and 9 treatments.
PUBLISHED = {
    (0.05, 5.0): (3.03, 3.29, 3.48, 3.62, 3.97),
    (0.05, 10.0): (2.57, 2.76, 2.89, 2.99, 3.24),
    (0.05, 20.0): (2.38, 2.54, 2.65, 2.73, 2.95),
    (0.05, 60.0): (2.27, 2.41, 2.51, 2.58, 2.77),
    (0.05, math.inf): (2.21, 2.35, 2.44, 2.51, 2.69),
    (0.01, 10.0): (3.53, 3.74, 3.88, 3.99, 4.28),
    (0.01, math.inf): (2.79, 2.92, 3.00, 3.06, 3.22),
}

families = st.lists(st.floats(0, 1), min_size=2, max_size=4).map(tuple)
dfs = st.floats(1, 1e7) | st.just(math.inf)


@cache
def legendre(points: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(points)


def textbook(x: np.ndarray, family: tuple[float, ...]) -> np.ndarray:
    """1 − ∫ φ(u) Π [Φ((x − √λ u) / √(1 − λ)) − Φ((−x − √λ u) / √(1 − λ))] du by Gauss-Legendre quadrature."""
    nodes, weights = legendre(400)
    u = 9.0 * nodes[:, None]
    inside = stats.norm.pdf(u) * np.ones_like(x)
    for f in family:
        root, rest = math.sqrt(f), math.sqrt(1 - f)
        inside *= special.ndtr((x - root * u) / rest) - special.ndtr((-x - root * u) / rest)
    return 1 - 9.0 * weights @ inside


@pytest.mark.parametrize(("cell", "row"), PUBLISHED.items())
def test_critical_values_are_the_published_ones(cell: tuple[float, float], row: tuple[float, ...]) -> None:
    alpha, df = cell
    found = [Dunnett((0.5,) * k).critical(alpha, df) for k in (2, 3, 4, 5, 9)]
    assert found == pytest.approx(row, abs=0.0055)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("t", [0.0, 0.4, 1.5, -2.3, 4.0])
def test_p_values_of_many_users_are_the_textbook_integral(t: float, family: tuple[float, ...]) -> None:
    p, log_p = Dunnett(family).p_value(t, math.inf)
    assert p == pytest.approx(textbook(np.array([abs(t)]), family)[0], abs=1e-12)
    assert log_p == pytest.approx(math.log(p), abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("df", [3.7, 25.0, 400.0])
def test_p_values_of_few_users_are_the_textbook_integral_over_the_standard_deviation(
    df: float, family: tuple[float, ...]
) -> None:
    spread = stats.chi(df, scale=1 / math.sqrt(df))
    low, high = spread.ppf(1e-14), spread.isf(1e-14)
    nodes, weights = legendre(200)
    s = (low + high) / 2 + (high - low) / 2 * nodes
    expected = (high - low) / 2 * weights @ (spread.pdf(s) * textbook(2.2 * s, family))
    assert Dunnett(family).p_value(2.2, df)[0] == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
def test_p_values_agree_with_scipy_s_multivariate_normal_and_t(family: tuple[float, ...]) -> None:
    root = np.sqrt(family)
    shape = np.outer(root, root)
    np.fill_diagonal(shape, 1)
    box = np.full(len(family), 2.2)
    normal = stats.multivariate_normal(cov=shape, seed=1).cdf(box, lower_limit=-box)
    student = stats.multivariate_t(shape=shape, df=12, seed=1).cdf(box, lower_limit=-box)
    assert Dunnett(family).p_value(2.2, math.inf)[0] == pytest.approx(1 - normal, abs=1e-5)
    assert Dunnett(family).p_value(2.2, 12.0)[0] == pytest.approx(1 - student, abs=1e-3)


def test_p_values_agree_with_scipy_s_dunnett_on_arms_of_one_variance() -> None:
    rng = np.random.default_rng(20260301)
    control, *treatments = (rng.normal(mean, 1, n) for mean, n in [(0, 30), (0.6, 20), (0.2, 45), (-0.5, 25)])
    peer = stats.dunnett(*treatments, control=control, rng=np.random.default_rng(1))
    samples = [control, *treatments]
    df = sum(map(len, samples)) - len(samples)
    var = sum(sample.var() * len(sample) for sample in samples) / df
    ses = [math.sqrt(var / len(control) + var / len(t)) for t in treatments]
    rule = Dunnett(loadings(math.sqrt(var / len(control)), ses))
    found = [rule.p_value((t.mean() - control.mean()) / se, df)[0] for t, se in zip(treatments, ses, strict=True)]
    assert found == pytest.approx(list(peer.pvalue), abs=1e-3)


@pytest.mark.parametrize("family", [(), (0.4,)])
@pytest.mark.parametrize("df", [2.5, 60.0, 1e6])
def test_one_treatment_is_student_s_t(df: float, family: tuple[float, ...]) -> None:
    assert Dunnett(family).p_value(-2.5, df) == two_sided_p(2.5, df)
    assert Dunnett(family).critical(0.05, df) == critical_value(0.05, df)


@given(families, dfs, st.floats(1e-12, 0.99))
@settings(max_examples=25, deadline=None)
def test_critical_value_and_p_value_are_inverse(family: tuple[float, ...], df: float, alpha: float) -> None:
    rule = Dunnett(family)
    assert rule.p_value(rule.critical(alpha, df), df)[0] == pytest.approx(alpha, rel=1e-10)


@given(families, dfs, st.floats(0, 80))
@settings(max_examples=25, deadline=None)
def test_it_lies_between_one_comparison_and_independent_ones(family: tuple[float, ...], df: float, t: float) -> None:
    log_p = Dunnett(family).p_value(t, df)[1]
    independent = Sidak(rule=Once(), comparisons=len(family)).p_value(t, min(df, 1e15))[1]
    rounding = 1e-9 * max(1.0, abs(log_p))
    assert two_sided_p(t, min(df, 1e15))[1] - rounding <= log_p <= independent + rounding


@pytest.mark.parametrize("family", [*FAMILIES, (1.0, 1.0), (LARGEST, 0.5)])
@pytest.mark.parametrize("df", [7.5, 1e4, math.inf])
def test_p_values_fall_all_the_way(df: float, family: tuple[float, ...]) -> None:
    log_p = [Dunnett(family).p_value(t, df)[1] for t in np.linspace(0.02, 100, 150)]
    assert (np.diff(log_p) < 0).all()


@pytest.mark.parametrize("df", [5e4, 1e7])
@pytest.mark.parametrize("t", [30.0, 60.0, 200.0])
def test_far_out_the_tails_add_up(t: float, df: float) -> None:
    p, log_p = Dunnett((0.5, 0.4, 0.3)).p_value(t, df)
    assert log_p == pytest.approx(two_sided_p(t, df)[1] + math.log(3), abs=1e-6)
    assert p == math.exp(log_p)


@pytest.mark.parametrize("t", [1e20, 1e160, 1e300])
def test_an_absurd_statistic_still_has_a_finite_logarithm(t: float) -> None:
    assert math.isfinite(Dunnett((0.5, 0.5)).p_value(t, 5.0)[1])


def test_the_order_of_the_treatments_does_not_matter() -> None:
    first, second = Dunnett((0.2, 0.5, 0.9)), Dunnett((0.9, 0.2, 0.5))
    assert first.p_value(2.1, 40.0) == pytest.approx(second.p_value(2.1, 40.0), rel=1e-12)


def test_treatments_without_variance_are_one_comparison_judged_with_caution() -> None:
    assert critical_value(0.05, 1e6) < Dunnett((1.0, 1.0)).critical(0.05, 1e6) < critical_value(0.05, 1e6) * 1.02


def test_no_statistic_is_enough_for_an_alpha_of_almost_nothing() -> None:
    assert Dunnett((0.5, 0.5)).critical(1e-320, 1.0) > 1e200


def test_loadings_are_the_control_s_share_and_skip_what_cannot_answer() -> None:
    assert loadings(3.0, [5.0, math.nan, 0.0, math.inf, 4.0, 3.0]) == pytest.approx((0.36, 0.5625, 1.0))
    assert loadings(math.nan, [5.0, 4.0]) == ()
    assert loadings(0.0, [5.0]) == (0.0,)


@pytest.mark.parametrize("family", [(0.5, 1.1), (-0.1, 0.5), (0.5, math.nan)])
def test_a_loading_out_of_range_is_refused(family: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        Dunnett(family)
