import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from experiments.errors import InvalidInput
from experiments.stats.split import log_split_e_value, split_p_value


def test_cookie_cats_has_the_published_p_value() -> None:
    assert split_p_value([44_700, 45_489], [1.0, 1.0]) == pytest.approx(0.0086, abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "weights"),
    [([44_700, 45_489], [1, 1]), ([100, 210, 290], [1, 2, 3]), ([9_000, 1_100], [0.9, 0.1])],
)
def test_one_look_agrees_with_scipy(counts: list[int], weights: list[float]) -> None:
    expected = np.array(weights) / sum(weights) * sum(counts)
    assert split_p_value(counts, weights) == pytest.approx(stats.chisquare(counts, expected).pvalue, rel=1e-9)


def test_the_e_value_by_hand() -> None:
    # A = 2, one unit in the first of two equal arms: Γ(2)/Γ(3) · Γ(2)/Γ(1) · Γ(1)/Γ(1) · 2 = 1
    assert log_split_e_value([1, 0], [1, 1], concentration=2) == pytest.approx(0, abs=1e-12)
    # a second one in the same arm: Γ(2)/Γ(4) · Γ(3)/Γ(1) · 4 = 4/3
    assert log_split_e_value([2, 0], [1, 1], concentration=2) == pytest.approx(math.log(4 / 3))


def test_the_e_value_is_the_ratio_of_two_multinomial_likelihoods() -> None:
    counts, weights = np.array([480, 530, 1_050]), np.array([1, 1, 2])
    shares = weights / weights.sum()
    prior = 1000 * shares
    dirichlet = gammaln(1000) - gammaln(counts.sum() + 1000) + (gammaln(counts + prior) - gammaln(prior)).sum()
    assert log_split_e_value(counts.tolist(), weights.tolist()) == pytest.approx(
        dirichlet - (counts * np.log(shares)).sum(), rel=1e-9
    )


def test_no_units_are_no_evidence() -> None:
    assert log_split_e_value([0, 0], [1, 1]) == 0
    assert math.isnan(split_p_value([0, 0], [1, 1]))


def test_a_gross_mismatch_of_many_units_does_not_overflow() -> None:
    assert 1e6 < log_split_e_value([60_000_000, 40_000_000], [1, 1]) < math.inf


@pytest.mark.parametrize(
    ("counts", "weights"),
    [([1, 2], [1]), ([1], [1]), ([1, 2], [1, 0]), ([1, 2], [1, math.nan]), ([1, 2], [1, math.inf]), ([1, -2], [1, 1])],
)
def test_senseless_input_is_refused(counts: list[int], weights: list[float]) -> None:
    for function in (split_p_value, log_split_e_value):
        with pytest.raises(InvalidInput):
            function(counts, weights)
