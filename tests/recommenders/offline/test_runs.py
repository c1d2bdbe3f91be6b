"""Ranking in batches gives what sorting everything would give."""

from __future__ import annotations

import numpy as np
import pytest

from recommenders.base import NoConfig, Strategy
from recommenders.contracts import Batch, Floats
from recommenders.errors import InvalidData
from recommenders.offline import runs
from recommenders.offline.runs import run
from recommenders.offline.slices import slices_of
from recommenders.offline.splits import leave_last_out
from recommenders.strategies.baselines import FrequencyConfig, UserFrequency
from recommenders.testing import tastes


def test_the_figures_are_those_of_a_loop_over_users_whatever_the_size_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = tastes()
    split = leave_last_out(data)
    strategy = UserFrequency(FrequencyConfig(half_life_days=None))
    strategy.fit(split.train)
    slices = slices_of(split, k=5, new_only=False)
    scores = strategy.score(split.batch(0, split.users.size))
    expected: dict[tuple[str, int], float] = {}
    for place, user in enumerate(split.users.tolist()):
        target = int(split.test.items[place])
        own = set(split.train.items[split.train.users == user].tolist())
        pools = {"all": range(60), "new items": sorted(set(range(60)) - own), "repeat items": sorted(own)}
        for name, pool in pools.items():
            if target in pool:
                order = sorted(pool, key=lambda item, row=place: (-scores[row, item], item))
                rank = order.index(target) + 1
                expected[name, place] = 1 / np.log2(rank + 1) if rank <= 5 else 0.0
    for most in (7, 1_024):
        monkeypatch.setattr(runs, "USERS", most)
        found = run(strategy, split, slices, k=5, predict=False, progress=lambda share: None)
        for (name, place), value in expected.items():
            assert found.accuracy["ndcg", name][place] == pytest.approx(value, abs=1e-12)
        for name in ("all", "new items", "repeat items"):
            known = [place for one, place in expected if one == name]
            assert np.flatnonzero(~np.isnan(found.accuracy["ndcg", name])).tolist() == known
        assert found.lists.shape == (240, 5)
        assert (found.lists >= 0).all()


def test_batches_shrink_as_the_catalogue_grows() -> None:
    assert list(runs._batches(2_500, 12_000)) == [(0, 1_024), (1_024, 2_048), (2_048, 2_500)]
    assert next(iter(runs._batches(2_500, 100_000))) == (0, 160)
    assert list(runs._batches(2, 10**9)) == [(0, 1), (1, 2)]


class Narrow(Strategy[NoConfig]):
    key, name, family, Config = "narrow", "Narrow", "baseline", NoConfig

    fit = state = None  # type: ignore[assignment]
    restore = None  # type: ignore[assignment]

    def score(self, batch: Batch) -> Floats:
        return np.zeros((len(batch), 3), dtype=np.float32)


def test_scores_of_another_shape_are_refused() -> None:
    split = leave_last_out(tastes())
    with pytest.raises(InvalidData, match=r"scores: shape \(240, 3\), must be \(240, 60\)"):
        run(Narrow(), split, slices_of(split, k=5, new_only=False), k=5, predict=False, progress=lambda share: None)
