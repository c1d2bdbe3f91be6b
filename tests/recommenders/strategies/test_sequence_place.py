"""A sequence model whose training is interrupted learns what it would have learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommenders.checkpoints import Checkpoint
from recommenders.contracts import Interactions, Kind
from recommenders.strategies.hybrid import Hybrid, HybridConfig
from recommenders.strategies.sequence import Sequence
from recommenders.strategies.sequence_config import SequenceConfig
from recommenders.testing import tastes

pytest.importorskip("torch")


class Interruption(Exception):
    """Somebody stops the training."""


class Eager(Checkpoint):
    """Leaves its place after every third step."""

    asked = 0

    def due(self) -> bool:
        self.asked += 1
        return self.asked % 3 == 0


def two_kinds() -> Interactions:
    data = tastes(users=200)
    kinds = np.where(np.arange(len(data)) % 3, Kind.CLICK, Kind.PURCHASE)
    return Interactions.build(
        users=data.users,
        items=data.items,
        times=data.times,
        kinds=kinds,
        catalogue=data.catalogue,
        user_ids=data.user_ids,
    )


@pytest.mark.parametrize(
    "encoder",
    ["transformer", pytest.param("gru", marks=pytest.mark.slow), pytest.param("lstm", marks=pytest.mark.slow)],
)
def test_an_interrupted_training_ends_with_the_same_arrays_to_the_bit(tmp_path: Path, encoder: str) -> None:
    data = two_kinds()
    config = SequenceConfig(encoder=encoder, width=16, batch=96, negatives=16, passes=4, held_out=0.3)
    whole = Sequence(config)
    expected = whole.fit(data, seed=3)
    resumed = Sequence(config)
    resumed.checkpoint = Eager(tmp_path)
    stops = [0.2, 0.5, 0.8]  # in the first pass and later, before and after the first check

    def interrupt(share: float, step: str) -> None:
        if stops and share > stops[0]:
            stops.pop(0)
            raise Interruption

    attempts = 0
    while True:
        attempts += 1
        try:
            report = resumed.fit(data, seed=3, progress=interrupt)
            break
        except Interruption:
            resumed = Sequence(config)
            resumed.checkpoint = Eager(tmp_path)
    assert attempts == 4
    assert 0 < report.notes["continued_from_step"] < report.notes["steps"]
    for name, array in whole.state().items():
        np.testing.assert_array_equal(resumed.state()[name], array, strict=True)
    same = set(expected.notes) - {"continued_from_step"}
    assert {name: report.notes[name] for name in same} == {name: expected.notes[name] for name in same}


def test_a_blend_goes_on_with_the_part_that_was_interrupted(tmp_path: Path) -> None:
    data = two_kinds()
    small = {"width": 16, "batch": 96, "negatives": 16, "passes": 2}
    config = HybridConfig(parts=("item-knn", "sequence"), settings={"sequence": small})
    whole = Hybrid(config)
    whole.fit(data, seed=3)
    again, seen = Hybrid(config), list[str]()

    def interrupt(share: float, step: str) -> None:
        if share > 0.9:
            raise Interruption

    again.checkpoint = Eager(tmp_path)
    with pytest.raises(Interruption):
        again.fit(data, seed=3, progress=interrupt)
    again = Hybrid(config)
    again.checkpoint = Eager(tmp_path)
    again.fit(data, seed=3, progress=lambda share, step: seen.append(step))
    assert all(step.startswith("sequence") for step in seen)
    for name, array in whole.state().items():
        np.testing.assert_array_equal(again.state()[name], array, strict=True)
