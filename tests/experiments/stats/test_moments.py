import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInput
from experiments.stats.moments import Moments, merge_all

VALUES = st.floats(-1000, 1000)
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=40)


def moments_of(pairs: list[tuple[float, float]]) -> Moments:
    return Moments.from_arrays([y for y, _ in pairs], [v for _, v in pairs])


def test_moments_by_hand() -> None:
    moments = Moments.from_arrays([1.0, 2.0, 6.0], [0.0, 1.0, 2.0])
    assert moments == Moments(n=3, mean=(3.0, 1.0), comoment=((14.0, 5.0), (5.0, 2.0)))
    assert moments.var == (7.0, 1.0)


def test_moments_agree_with_numpy() -> None:
    rng = np.random.default_rng(1)
    y, v = rng.lognormal(3, 2, 5_000), rng.poisson(4, 5_000)
    moments = Moments.from_arrays(y, v)
    assert moments.mean == pytest.approx((y.mean(), v.mean()), rel=1e-12)
    assert np.array(moments.comoment) / 4_999 == pytest.approx(np.cov(y, v), rel=1e-12)


def test_moments_can_be_told_apart_by_hash_and_equality() -> None:
    same = {Moments.from_arrays([1.0, 2.0]), Moments.from_arrays([1.0, 2.0]), Moments.from_arrays([1.0, 3.0])}
    assert len(same) == 2


def test_a_large_offset_keeps_the_variance() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 20_000)
    data = 1e9 + noise
    shift = float(data[:50].mean())
    centred = data - shift
    parts = np.array_split(data, 7)
    truth = float(np.var(data - 1e9, ddof=1))  # the offset is subtracted without rounding
    ways = (
        Moments.from_arrays(data),
        merge_all(Moments.from_arrays(part) for part in parts),
        Moments.from_shifted_sums(
            n=data.size, shift=[shift], sums=[float(centred.sum())], products=[[float((centred**2).sum())]]
        ),
    )
    for moments in ways:
        assert moments.var[0] == pytest.approx(truth, rel=1e-6)
        assert moments.mean[0] == pytest.approx(1e9 + noise.mean(), rel=1e-15)


def test_integer_sums_are_exact_where_doubles_are_not() -> None:
    values = [10**15, 10**15 + 1, 10**15 + 5]
    moments = Moments.from_integer_sums(n=3, sums=[sum(values)], products=[[sum(value * value for value in values)]])
    assert moments.var == (7.0,)


def test_integer_sums_of_two_columns_equal_the_arrays() -> None:
    y, v = [3, 0, 5, 2], [4, 1, 9, 2]
    products = [[sum(a * b for a, b in zip(left, right, strict=True)) for right in (y, v)] for left in (y, v)]
    assert Moments.from_integer_sums(n=4, sums=[sum(y), sum(v)], products=products) == Moments.from_arrays(y, v)


def test_a_summary_gives_its_variance_back() -> None:
    moments = Moments.from_summary(n=500, mean=2.5, variance=1.7)
    assert (moments.n, moments.mean) == (500, (2.5,))
    assert moments.var[0] == pytest.approx(1.7, rel=1e-15)


def test_a_constant_column_has_no_variance_however_it_is_read() -> None:
    column = [0.1] * 1000
    shifted = Moments.from_shifted_sums(
        n=1000, shift=[0.0], sums=[sum(column)], products=[[sum(x * x for x in column)]]
    )
    assert Moments.from_arrays(column).var == shifted.var == (0.0,)


def test_splitting_and_merging_equals_one_pass() -> None:
    rng = np.random.default_rng(3)
    y, v = rng.lognormal(5, 1.5, 10_000), 1.0 + rng.poisson(3, 10_000)
    whole = Moments.from_arrays(y, v)
    cuts = np.sort(rng.integers(0, 10_000, 30))
    merged = merge_all(Moments.from_arrays(a, b) for a, b in zip(np.split(y, cuts), np.split(v, cuts), strict=True))
    assert merged.n == whole.n
    assert merged.mean == pytest.approx(whole.mean, rel=1e-12)
    assert np.array(merged.comoment) == pytest.approx(np.array(whole.comoment), rel=1e-12)


@given(PAIRS, st.integers(0, 40))
def test_splitting_anywhere_changes_nothing(pairs: list[tuple[float, float]], cut: int) -> None:
    whole, merged = moments_of(pairs), moments_of(pairs[:cut]).merge(moments_of(pairs[cut:]))
    scale = max(1.0, *(abs(value) for pair in pairs for value in pair))
    assert merged.mean == pytest.approx(whole.mean, rel=1e-12, abs=1e-12 * scale)
    assert np.array(merged.comoment) == pytest.approx(np.array(whole.comoment), rel=1e-12, abs=1e-12 * scale**2)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_units_changes_nothing(pairs: list[tuple[float, float]], random) -> None:
    shuffled = random.sample(pairs, len(pairs))
    scale = max(1.0, *(abs(value) for pair in pairs for value in pair))
    whole, other = moments_of(pairs), moments_of(shuffled)
    assert np.array(other.comoment) == pytest.approx(np.array(whole.comoment), rel=1e-12, abs=1e-12 * scale**2)


def test_merging_nothing_changes_nothing() -> None:
    moments = Moments.from_arrays([1.0, 4.0])
    assert moments.merge(Moments.empty(1)) == Moments.empty(1).merge(moments) == moments
    assert Moments.empty(1).merge(Moments.empty(1)) == Moments.empty(1)


@pytest.mark.parametrize(
    "moments",
    [
        Moments.from_arrays([]),
        Moments.from_shifted_sums(n=0, shift=[3.0], sums=[0.0], products=[[0.0]]),
        Moments.from_integer_sums(n=0, sums=[0], products=[[0]]),
        Moments.from_summary(n=0, mean=float("nan"), variance=float("nan")),
    ],
)
def test_no_units_are_the_empty_moments(moments: Moments) -> None:
    assert moments == Moments.empty(1)
    assert np.isnan(moments.var[0])


def test_values_that_are_not_finite_stay_visible() -> None:
    moments = Moments.from_arrays([1.0, float("inf"), 2.0])
    assert not np.isfinite(moments.mean[0])


@pytest.mark.parametrize("columns", [(), ([1.0], [1.0, 2.0]), ([[1.0], [2.0]],)])
def test_columns_of_different_shape_are_refused(columns) -> None:
    with pytest.raises(InvalidInput, match="equal length"):
        Moments.from_arrays(*columns)


def test_moments_of_different_width_are_not_merged() -> None:
    with pytest.raises(InvalidInput, match="1 and 2 columns"):
        Moments.empty(1).merge(Moments.empty(2))


@given(
    data=st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40),
    cut=st.integers(1, 39),
)
@settings(max_examples=150, deadline=None)
def test_a_day_that_was_merged_can_be_subtracted_again(data: list[tuple[float, float]], cut: int) -> None:
    kept, day = moments_of(data[: min(cut, len(data) - 1)]), moments_of(data[min(cut, len(data) - 1) :])
    rest = kept.merge(day).subtract(day)
    scale = max(1.0, *(abs(value) for pair in data for value in pair)) ** 2
    assert rest.n == kept.n
    assert rest.mean == pytest.approx(kept.mean, rel=1e-9, abs=1e-9 * scale)
    for ours, theirs in zip(rest.comoment, kept.comoment, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9 * scale * len(data))


def test_subtracting_keeps_the_digits_of_a_large_offset() -> None:
    rng = np.random.default_rng(11)
    values = 1e9 + rng.normal(0, 1, 4_000)
    rest = Moments.from_arrays(values).subtract(Moments.from_arrays(values[3_000:]))
    assert rest.var[0] == pytest.approx(np.var(values[:3_000] - 1e9, ddof=1), rel=1e-6)


def test_subtracting_everything_leaves_no_units_and_nothing_changes_nothing() -> None:
    some = Moments.from_arrays([1.0, 2.0, 6.0])
    assert some.subtract(some) == Moments.empty(1)
    assert some.subtract(Moments.empty(1)) == some


def test_what_is_no_part_is_not_subtracted() -> None:
    with pytest.raises(InvalidInput, match="no part"):
        Moments.from_arrays([1.0]).subtract(Moments.from_arrays([1.0, 2.0]))
    with pytest.raises(InvalidInput, match="no part"):
        Moments.from_arrays([1.0]).subtract(Moments.from_arrays([1.0], [2.0]))


def test_some_columns_have_the_moments_they_had_together() -> None:
    rng = np.random.default_rng(12)
    a, b, c = rng.normal(0, 1, (3, 50))
    taken, alone = Moments.from_arrays(a, b, c).take([2, 0]), Moments.from_arrays(c, a)
    assert taken.mean == pytest.approx(alone.mean, rel=1e-12)
    assert np.array(taken.comoment) == pytest.approx(np.array(alone.comoment), rel=1e-12)
