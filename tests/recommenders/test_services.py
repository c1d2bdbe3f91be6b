"""Registering strategies."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from recommenders.models import Family, Strategy, StrategyVersion
from recommenders.services import register_version

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
