"""Registering strategies, choosing what serves, and keeping what was found."""

from __future__ import annotations

import json
import shutil

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from recommenders.artefacts import MANIFEST, STATE
from recommenders.errors import BrokenArtefact, UnknownStrategy
from recommenders.models import Family, OfflineEvaluation, Strategy, StrategyVersion
from recommenders.offline.evaluation import evaluate
from recommenders.services import (
    artefact_root,
    make_current,
    record_evaluation,
    register_trained,
    register_version,
)
from recommenders.testing import tastes
from recommenders.training import train

pytestmark = pytest.mark.django_db


def register(**changes):
    given = {"key": "item-cf", "version": "1", "name": "Item CF", "family": Family.COLLABORATIVE}
    return register_version(**given | changes)


def test_a_new_strategy_comes_with_its_first_version():
    version = register(origin="trained by hand")
    assert str(version) == "item-cf@1"
    assert (version.origin, version.strategy.family) == ("trained by hand", "collaborative")


def test_registering_again_changes_nothing():
    first = register(origin="first")
    again = register(origin="second", name="Another name")
    assert again == first
    assert (again.origin, again.strategy.name) == ("first", "Item CF")


def test_a_strategy_has_many_versions():
    register()
    register(version="2")
    assert [version.version for version in Strategy.objects.get().versions.order_by("id")] == ["1", "2"]


@pytest.mark.parametrize(("field", "value"), [("key", "Item CF"), ("family", "magic")])
def test_what_breaks_a_rule_leaves_nothing(field, value):
    with pytest.raises((ValidationError, IntegrityError)), transaction.atomic():
        register(**{field: value})
    assert not Strategy.objects.exists()
    assert not StrategyVersion.objects.exists()


@pytest.fixture
def versions(settings, tmp_path):
    """Two trained versions of a strategy, the older one current."""
    settings.HOME = tmp_path
    names = []
    for half_life in (1.0, 2.0):
        name, manifest = train(KEY, tastes(users=20), artefact_root(), config={"half_life_days": half_life})
        register_trained(name, manifest, created_by="eve")
        names.append(name)
    return names


KEY = "recent-popularity"


def current() -> str:
    return Strategy.objects.get(key=KEY).current.version


def test_the_first_trained_version_is_current_and_knows_where_it_comes_from(versions):
    assert current() == versions[0]
    row = StrategyVersion.objects.get(version=versions[0])
    assert (row.created_by, row.manifest["key"], row.manifest["config"]) == ("eve", KEY, {"half_life_days": 1.0})
    assert row.strategy.family == "baseline"


def test_going_forward_and_back_is_pointing_to_a_version(versions):
    make_current(KEY, versions[1])
    assert current() == versions[1]
    make_current(KEY, versions[0])
    assert current() == versions[0]


def harm_swap(folder, other):
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def harm_state(folder, other):
    (folder / STATE).write_bytes((folder / STATE).read_bytes()[:-1])


def harm_class(folder, other):
    plain = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(plain | {"place": "os:system"}))


def harm_all(folder, other):
    shutil.rmtree(folder)


@pytest.mark.parametrize("harm", [harm_swap, harm_state, harm_class, harm_all])
def test_a_version_whose_artefact_is_broken_cannot_serve(versions, harm):
    root = artefact_root() / KEY
    harm(root / versions[1], root / versions[0])
    with pytest.raises(BrokenArtefact):
        make_current(KEY, versions[1])
    assert current() == versions[0]


def test_a_version_that_is_not_ours_or_not_there_cannot_serve(versions):
    register(version="demo")
    with pytest.raises(BrokenArtefact, match="item-cf@demo was not trained here"):
        make_current("item-cf", "demo")
    with pytest.raises(UnknownStrategy, match=f"has no version 'x'; there are {versions[0]}, {versions[1]}"):
        make_current(KEY, "x")
    with pytest.raises(UnknownStrategy, match="'nope'"):
        make_current("nope", "x")


def test_an_offline_evaluation_is_kept_as_it_was():
    report = evaluate(["random"], tastes(users=60), k=3)
    row = record_evaluation(report, data="tastes", keys=["random"], created_by="eve", code_version="1")
    found = OfflineEvaluation.objects.get()
    assert found == row
    assert (found.keys, found.data, found.created_by, found.code_version) == (["random"], "tastes", "eve", "1")
    assert found.report["k"] == 3
    assert "random" in {one["label"] for one in found.report["strategies"]}
