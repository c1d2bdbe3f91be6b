"""Ranking metrics equal ir-measures (trec_eval) to 1e-9, and keep within their bounds."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from recommenders.offline.ranking_metrics import ACCURACY, accuracy


@pytest.mark.parametrize("k", [1, 5, 10, 20])
def test_every_metric_of_every_user_is_that_of_ir_measures(k: int) -> None:
    rng = np.random.default_rng(k)
    users, items = 200, 40
    relevant = rng.random((users, items)) < rng.choice([0.03, 0.2, 0.7], size=(users, 1))
    relevant[:, 0] |= ~relevant.any(axis=1)
    ranked = np.argsort(rng.random((users, items)), axis=1)[:, :k]
    ours = accuracy(np.take_along_axis(relevant, ranked, axis=1), relevant.sum(axis=1))

    truth = [ir_measures.Qrel(str(u), str(i), 1) for u, i in zip(*np.nonzero(relevant), strict=True)]
    shown = [
        ir_measures.ScoredDoc(str(u), str(ranked[u, place]), float(k - place))
        for u in range(users)
        for place in range(k)
    ]
    theirs = {
        "ndcg": ir_measures.nDCG @ k,
        "recall": ir_measures.R @ k,
        "precision": ir_measures.P @ k,
        "mrr": ir_measures.RR @ k,
        "map": ir_measures.AP @ k,
        "hit_rate": ir_measures.Success @ k,
    }
    found = {name: np.full(users, np.nan) for name in theirs}
    names = {measure: name for name, measure in theirs.items()}
    for one in ir_measures.iter_calc(list(theirs.values()), truth, shown):
        found[names[one.measure]][int(one.query_id)] = one.value
    for name in ACCURACY:
        np.testing.assert_allclose(ours[name], found[name], rtol=0, atol=1e-9, err_msg=name)


def test_a_list_that_ended_early_is_judged_by_hand() -> None:
    found = accuracy(np.array([[False, True, False, True, False]]), np.array([3]))
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert found["ndcg"][0] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal, abs=1e-12)
    assert found["recall"][0] == pytest.approx(2 / 3)
    assert found["precision"][0] == pytest.approx(2 / 5)
    assert found["mrr"][0] == 0.5
    assert found["map"][0] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert found["hit_rate"][0] == 1


HITS = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(lambda shape: arrays(np.bool_, shape))


@given(HITS, st.integers(0, 30))
def test_metrics_lie_between_nought_and_one_and_a_hit_further_up_is_never_worse(hits: np.ndarray, extra: int) -> None:
    relevant = np.maximum(hits.sum(axis=1), 1) + extra
    found, better = accuracy(hits, relevant), accuracy(np.sort(hits, axis=1)[:, ::-1], relevant)
    for name in ACCURACY:
        assert (found[name] >= 0).all()
        assert (found[name] <= 1 + 1e-12).all()
        assert (better[name] >= found[name] - 1e-12).all()
    assert ((found["hit_rate"] == 0) == (found["ndcg"] == 0)).all()


def test_a_perfect_list_has_the_most_in_every_metric_that_can_reach_it() -> None:
    found = accuracy(np.ones((1, 4), dtype=bool), np.array([4]))
    assert all(found[name][0] == pytest.approx(1) for name in ACCURACY)
