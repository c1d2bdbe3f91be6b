"""The best of the scores, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommenders.contracts import Floats
from recommenders.ranking import STRETCH, top_k


def test_of_equal_scores_the_smaller_code_comes_first() -> None:
    ranked = top_k(np.array([[1, 3, 3, 2, 3]], dtype=np.float32), 3)
    assert ranked.items.tolist() == [[1, 2, 4]]
    assert ranked.scores.tolist() == [[3, 3, 3]]


def test_what_is_excluded_nan_or_unknown_is_never_shown_and_lists_may_be_short() -> None:
    scores = np.array([[5, np.nan, 4, -np.inf], [1, 2, 3, 4]], dtype=np.float32)
    before = scores.copy()
    ranked = top_k(scores, 6, excluded=(np.array([0, 1]), np.array([0, 3])))
    assert ranked.items.tolist() == [[2, -1, -1, -1, -1, -1], [2, 1, 0, -1, -1, -1]]
    np.testing.assert_array_equal(scores, before)


ODD = st.one_of(st.integers(-4, 4).map(float), st.sampled_from([float("nan"), float("-inf")]))
WIDTHS = st.one_of(st.integers(1, 30), st.integers(STRETCH * 4 + 1, STRETCH * 14))


@st.composite
def odd_scores(draw: st.DrawFn) -> Floats:
    """Scores with ties, nan and -inf; most rows of a wide catalogue are one value, so that its stretches tie."""
    rows, width = draw(st.integers(1, 4)), draw(WIDTHS)
    return draw(hnp.arrays(np.float32, (rows, width), elements=ODD, fill=ODD))


def sorted_and_cut_off(scores: Floats, k: int) -> tuple[list[list[int]], list[list[float]]]:
    items, values = [], []
    for row in scores.tolist():
        shown = sorted((-score, item) for item, score in enumerate(row) if score > -np.inf)[:k]
        items.append([item for _, item in shown] + [-1] * (k - len(shown)))
        values.append([-score for score, _ in shown] + [-np.inf] * (k - len(shown)))
    return items, values


@given(odd_scores(), st.one_of(st.integers(1, 4), st.integers(25, 35)), st.data())
@settings(max_examples=150, deadline=None)
def test_it_is_a_stable_sort_cut_off_however_wide_the_catalogue(scores: Floats, k: int, data: st.DataObject) -> None:
    rows, width = scores.shape
    pairs = st.tuples(st.integers(0, rows - 1), st.integers(0, width - 1))
    row, item = np.array(data.draw(st.lists(pairs, max_size=20)), dtype=np.int64).reshape(-1, 2).T
    before = scores.copy()
    left = scores.copy()
    left[row, item] = -np.inf
    for given_scores, excluded in ((scores, (row, item)), (left, None)):
        ranked = top_k(given_scores, k, excluded=excluded)
        assert (ranked.items.tolist(), ranked.scores.tolist()) == sorted_and_cut_off(left, k)
        assert (ranked.items.dtype, ranked.scores.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize("levels", [2, 30, 10**6])
@pytest.mark.parametrize("width", [900, 4_096, 5_003])
def test_it_is_a_stable_sort_where_gaps_are_everywhere(levels: int, width: int) -> None:
    rng = np.random.default_rng(levels + width)
    scores = rng.integers(0, levels, (25, width)).astype(np.float32)
    plain = top_k(scores, 10)
    assert (plain.items.tolist(), plain.scores.tolist()) == sorted_and_cut_off(scores, 10)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    scores[rng.random(scores.shape) < 0.1] = np.nan
    scores[0] = -np.inf
    scores[1, 7:] = -np.inf
    for k in (1, 3, 10):
        ranked = top_k(scores, k)
        assert (ranked.items.tolist(), ranked.scores.tolist()) == sorted_and_cut_off(scores, k)


def test_scores_of_double_precision_and_of_nobody_are_ranked_too() -> None:
    assert top_k(np.tile(np.arange(900.0), (2, 1)), 2).items.tolist() == [[899, 898]] * 2
    assert top_k(np.zeros((0, 900), dtype=np.float32), 2).items.shape == (0, 2)
