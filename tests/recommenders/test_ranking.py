"""The best of the scores, whatever they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommenders.ranking import top_k


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


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 30)), elements=st.integers(-4, 4)),
    st.integers(1, 35),
)
@settings(max_examples=200, deadline=None)
def test_it_is_a_stable_sort_cut_off(scores: np.ndarray, k: int) -> None:
    ranked = top_k(scores, k)
    best = min(k, scores.shape[1])
    np.testing.assert_array_equal(ranked.items[:, :best], np.argsort(-scores, axis=1, kind="stable")[:, :best])
    assert (ranked.items[:, best:] == -1).all()
