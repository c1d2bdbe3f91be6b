"""The place of a long training survives whatever kills it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from recommenders import checkpoints
from recommenders.checkpoints import PLACE, Checkpoint, sweep


def test_the_newest_place_is_read_with_the_types_it_had(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "one")
    assert checkpoint.read() is None
    checkpoint.write({"a": np.arange(3, dtype=np.float32)})
    checkpoint.write({"a": np.arange(4, dtype=np.float32), "n": np.array(2)})
    place = Checkpoint(tmp_path / "one").read()
    assert place is not None
    assert (place["a"].dtype, place["a"].size, int(place["n"])) == (np.float32, 4, 2)
    assert [path.name for path in (tmp_path / "one").iterdir()] == [PLACE]
    checkpoint.remove()
    assert checkpoint.read() is None


@pytest.mark.parametrize("content", [b"", b"half of", b"PK\x03\x04 broken"])
def test_a_place_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PLACE).write_bytes(content)
    assert Checkpoint(tmp_path).read() is None
    Checkpoint(tmp_path).write({"n": np.array(1)})
    assert Checkpoint(tmp_path).read() is not None


def test_a_place_whose_middle_got_lost_is_none(tmp_path: Path) -> None:
    Checkpoint(tmp_path).write({"n": np.arange(10_000)})
    whole = (tmp_path / PLACE).read_bytes()
    (tmp_path / PLACE).write_bytes(whole[:20_000] + bytes(4_096) + whole[24_096:])
    assert Checkpoint(tmp_path).read() is None


def test_writing_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path)
    assert not checkpoint.due()
    checkpoint.written -= checkpoints.LEAST_APART
    assert checkpoint.due()
    checkpoint.cost = 1.0
    assert not checkpoint.due()
    checkpoint.written -= 1.0 / checkpoints.COST
    assert checkpoint.due()


def test_what_nobody_came_back_for_is_removed(tmp_path: Path) -> None:
    old, new = Checkpoint(tmp_path / "old"), Checkpoint(tmp_path / "new")
    for one in (old, new):
        one.write({"n": np.array(1)})
    os.utime(old.folder, (0, 0))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    sweep(tmp_path / "nowhere")
