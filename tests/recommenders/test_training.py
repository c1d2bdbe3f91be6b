"""A version is what was learnt, and nobody can change it unseen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recommenders.artefacts import MANIFEST, STATE, load
from recommenders.contracts import BUDGET, Budget, FitReport, Interactions, Items
from recommenders.errors import BrokenArtefact, InvalidConfig, InvalidData, UnknownStrategy
from recommenders.strategies.baselines import RecentPopularity
from recommenders.testing import tastes
from recommenders.training import checkpoint_for, load_version, new_strategy, train

KEY = "recent-popularity"


@pytest.fixture(scope="module")
def data() -> Interactions:
    return tastes(users=40)


def test_the_same_training_gives_the_version_that_exists(tmp_path: Path, data: Interactions) -> None:
    first, manifest = train(KEY, data, tmp_path, code_version="1")
    again, _ = train(KEY, data, tmp_path, code_version="1")
    assert again == first
    assert [folder.name for folder in (tmp_path / KEY).iterdir()] == [first]
    assert manifest.report["interactions"] == len(data)


def test_another_configuration_or_data_is_another_version(tmp_path: Path, data: Interactions) -> None:
    names = {
        train(KEY, data, tmp_path)[0],
        train(KEY, data, tmp_path, config={"half_life_days": 3.0})[0],
        train(KEY, tastes(users=41), tmp_path)[0],
    }
    assert len(names) == 3


def test_a_stored_version_scores_as_it_did(tmp_path: Path, data: Interactions) -> None:
    name, _ = train(KEY, data, tmp_path, config={"half_life_days": None})
    strategy, items, manifest = load(tmp_path / KEY / name)
    expected = np.bincount(data.items, minlength=len(items))
    assert strategy.score(data.batch([0]))[0].tolist() == expected.tolist()
    assert items.texts == data.catalogue.texts
    assert items.tags == data.catalogue.tags
    assert manifest.config == {"half_life_days": None}


def test_a_training_that_fails_leaves_nothing(
    tmp_path: Path, data: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: RecentPopularity) -> dict[str, np.ndarray]:
        raise MemoryError

    monkeypatch.setattr(RecentPopularity, "state", broken)
    with pytest.raises(MemoryError):
        train(KEY, data, tmp_path)
    assert list((tmp_path / KEY).iterdir()) == []


@pytest.mark.parametrize("harm", ["swap", "truncate", "delete", "class", "format", "no manifest"])
def test_a_version_that_was_changed_is_not_loaded(tmp_path: Path, data: Interactions, harm: str) -> None:
    name, _ = train(KEY, data, tmp_path)
    other, _ = train(KEY, data, tmp_path, config={"half_life_days": 2.0})
    folder = tmp_path / KEY / name
    plain = json.loads((folder / MANIFEST).read_text())
    if harm == "swap":
        (folder / STATE).write_bytes((tmp_path / KEY / other / STATE).read_bytes())
    elif harm == "truncate":
        (folder / STATE).write_bytes((folder / STATE).read_bytes()[:-20])
    elif harm == "delete":
        (folder / STATE).unlink()
    elif harm == "class":
        (folder / MANIFEST).write_text(json.dumps(plain | {"place": "os:system"}))
    elif harm == "format":
        (folder / MANIFEST).write_text(json.dumps(plain | {"format": 99}))
    else:
        (folder / MANIFEST).unlink()
    with pytest.raises(BrokenArtefact):
        load(folder)


def test_a_version_in_the_place_of_another_is_not_that_one(tmp_path: Path, data: Interactions) -> None:
    name, _ = train(KEY, data, tmp_path)
    other, _ = train(KEY, data, tmp_path, config={"half_life_days": 2.0})
    assert load_version(tmp_path, KEY, name)[2].config == {"half_life_days": 14.0}
    shutil.rmtree(tmp_path / KEY / name)
    (tmp_path / KEY / other).rename(tmp_path / KEY / name)
    with pytest.raises(BrokenArtefact, match=f"holds {KEY}@{other}"):
        load_version(tmp_path, KEY, name)


def test_figures_about_the_data_are_kept_with_those_of_the_training(tmp_path: Path, data: Interactions) -> None:
    _, manifest = train(KEY, data, tmp_path, notes={"repeated_events": 3})
    assert manifest.report["notes"]["repeated_events"] == 3


def test_only_exactly_the_same_training_finds_a_checkpoint(tmp_path: Path, data: Interactions) -> None:
    changes = [
        {},
        {"config": {"half_life_days": 2.0}},
        {"seed": 1},
        {"budget": Budget(seconds=1)},
        {"code_version": "2"},
    ]
    folders = {checkpoint_for(tmp_path, KEY, data, **change).folder for change in changes}
    folders |= {checkpoint_for(tmp_path, KEY, tastes(users=41)).folder, checkpoint_for(tmp_path, "random", data).folder}
    assert len(folders) == len(changes) + 2
    assert checkpoint_for(tmp_path, KEY, data, config={"half_life_days": 14.0}).folder in folders


@pytest.mark.parametrize(
    ("key", "config", "words"),
    [
        ("recent-popularity", {"half_life_days": "two"}, "half_life_days: 'two' must be a number"),
        ("sequence", {"width": 1.5}, "width: 1.5 must be a whole number"),
        ("sequence", {"texts": 1}, "texts: 1 must be true or false"),
        ("sequence", {"encoder": 3}, "encoder: 3 must be a text"),
        ("hybrid", {"parts": 3}, "parts: .* cannot be used"),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_name(key: str, config: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        new_strategy(key, config)


def test_what_cannot_be_trained_is_said(tmp_path: Path, data: Interactions) -> None:
    with pytest.raises(UnknownStrategy, match="there is no strategy 'nope'"):
        train("nope", data, tmp_path)
    with pytest.raises(InvalidConfig, match="half_life: is no field"):
        train(KEY, data, tmp_path, config={"half_life": 2})


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"users": [0, 9], "items": [0, 0]}, "users"),
        ({"users": [0, 0], "items": [0, -1]}, "items"),
        ({"users": [0, 0], "items": [0]}, "items"),
        ({"users": [0], "items": [0], "values": [np.nan]}, "values"),
        ({"users": [0], "items": [0], "times": [1, 2]}, "times"),
    ],
)
def test_interactions_that_break_a_rule_are_refused(columns: dict[str, list[float]], field: str) -> None:
    with pytest.raises(InvalidData, match=field):
        Interactions.build(**columns, catalogue=Items(ids=("a", "b")), user_ids=["x"])


def test_items_given_twice_or_with_half_their_features_are_refused() -> None:
    with pytest.raises(InvalidData, match="twice"):
        Items(ids=("a", "a"))
    with pytest.raises(InvalidData, match="texts: 1 given for 2 items"):
        Items(ids=("a", "b"), texts=("x",))


def test_a_budget_and_a_report_are_plain_values() -> None:
    assert Budget() == BUDGET
    assert FitReport(seconds=1.0, users=1, items=1, interactions=1).notes == {}
