import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from experiments.errors import InvalidInput
from experiments.stats.multiplicity import benjamini_hochberg

# Benjamini and Hochberg 1995, section 3.1: thrombolysis, 15 comparisons.
THROMBOLYSIS = (
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
    *(0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
)
families = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=30)
alphas = st.floats(1e-6, 0.999) | st.sampled_from([0.01, 0.05, 0.1])


def test_the_published_example_rejects_four_where_bonferroni_rejects_three() -> None:
    found = benjamini_hochberg(THROMBOLYSIS, 0.05)
    assert found.rejected == 4
    assert found.level == pytest.approx(4 * 0.05 / 15)
    assert [p <= 0.05 for p in found.adjusted] == [True] * 4 + [False] * 11
    assert sum(p <= 0.05 / 15 for p in THROMBOLYSIS) == 3


@given(families)
def test_adjusted_values_agree_with_statsmodels(p_values: list[float]) -> None:
    _, expected, *_ = multipletests(p_values, method="fdr_bh")
    assert benjamini_hochberg(p_values, 0.05).adjusted == pytest.approx(tuple(expected), rel=1e-12, abs=1e-300)


@given(families, alphas)
@example([0.05, 0.05, 0.05], 0.05)
@example([0.1 * 3 / 49] * 3 + [1.0] * 46, 0.1)
@example([0.7 / 3, 0.9, 0.9], 0.7)
def test_a_p_value_is_at_most_the_level_exactly_when_its_adjusted_one_is_at_most_alpha(
    p_values: list[float], alpha: float
) -> None:
    found = benjamini_hochberg(p_values, alpha)
    verdicts = [p <= alpha for p in found.adjusted]
    assert verdicts == [p <= found.level for p in p_values]
    assert sum(verdicts) == found.rejected


@given(st.integers(1, 60), st.integers(1, 60), alphas, st.sampled_from([-1, 0, 1]))
def test_ties_on_a_step_and_a_bit_beside_it_agree(k: int, rest: int, alpha: float, side: int) -> None:
    step = alpha * (k / (k + rest))
    step = math.nextafter(step, side) if side else step
    p_values = [step] * k + [1.0] * rest
    found = benjamini_hochberg(p_values, alpha)
    assert [p <= alpha for p in found.adjusted] == [p <= found.level for p in p_values]


@given(families, alphas)
def test_adjusted_values_keep_the_order_and_are_never_smaller(p_values: list[float], alpha: float) -> None:
    adjusted = benjamini_hochberg(p_values, alpha).adjusted
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in pairs] == sorted(adjusted)
    assert all(p <= a * (1 + 1e-12) and a <= 1 for p, a in pairs)


@given(families, st.randoms(use_true_random=False))
def test_the_order_of_the_family_does_not_matter(p_values: list[float], random) -> None:
    shuffled = random.sample(p_values, len(p_values))
    first, second = benjamini_hochberg(p_values, 0.05), benjamini_hochberg(shuffled, 0.05)
    assert sorted(first.adjusted) == sorted(second.adjusted)
    assert (first.rejected, first.level) == (second.rejected, second.level)


@given(families)
def test_nan_is_no_member_and_keeps_its_place(p_values: list[float]) -> None:
    alone = benjamini_hochberg(p_values, 0.05)
    found = benjamini_hochberg([math.nan, *p_values, math.nan], 0.05)
    assert found.adjusted[1:-1] == alone.adjusted
    assert math.isnan(found.adjusted[0])
    assert math.isnan(found.adjusted[-1])
    assert (found.rejected, found.level) == (alone.rejected, alone.level)


def test_a_single_metric_is_not_corrected() -> None:
    found = benjamini_hochberg([0.04], 0.05)
    assert (found.adjusted, found.rejected, found.level) == ((0.04,), 1, 0.05)


@pytest.mark.parametrize("p_values", [[], [math.nan, math.nan]])
def test_a_family_without_members_has_no_level(p_values: list[float]) -> None:
    found = benjamini_hochberg(p_values, 0.05)
    assert found.rejected == 0
    assert math.isnan(found.level)
    assert all(map(math.isnan, found.adjusted))


def test_logarithms_go_on_where_p_values_underflow() -> None:
    found = benjamini_hochberg([0.0, 0.5, 0.0], 0.05, [-900.0, math.log(0.5), -2000.0])
    assert found.adjusted == (0.0, 0.5, 0.0)
    assert found.log_adjusted == pytest.approx((-900 + math.log(3 / 2), math.log(0.5), -2000 + math.log(3)))


def test_logarithms_of_ordinary_values_are_theirs() -> None:
    found = benjamini_hochberg(THROMBOLYSIS, 0.05)
    assert found.log_adjusted == pytest.approx([math.log(p) for p in found.adjusted])


@pytest.mark.parametrize(
    ("p_values", "alpha", "logs"),
    [
        *[([0.1], alpha, None) for alpha in (0.0, 1.0, math.nan)],
        *[([p], 0.05, None) for p in (-0.1, 1.1)],
        ([0.1, 0.2], 0.05, [-2.3]),
    ],
)
def test_senseless_input_is_refused(p_values: list[float], alpha: float, logs: list[float] | None) -> None:
    with pytest.raises(InvalidInput):
        benjamini_hochberg(p_values, alpha, logs)
