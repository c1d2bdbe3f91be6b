"""A shop with a trained strategy that serves, and nothing remembered from another test. A plugin of its tests."""

from __future__ import annotations

import pytest

from tests.winnow.serving import shop
from winnow.api import recommendations
from winnow.serving import arms, catalogues, versions
from winnow.serving.popularity import POPULARITY


@pytest.fixture
def serving_home(settings, tmp_path):
    """A home of its own. What the process remembers of another one is forgotten."""
    settings.HOME = tmp_path
    settings.LAKE = tmp_path / "lake"
    settings.SERVING_BUDGET_MS = 20_000  # the machine may be busy; tests of time set their own
    for remembered in (
        versions.VERSIONS,
        versions.REGISTERED,
        arms.ALLOCATIONS,
        catalogues.UNAVAILABLE,
        catalogues.AVAILABLE,
        recommendations.KEYS,
    ):
        remembered.forget()
    POPULARITY.set({})
    return tmp_path


@pytest.fixture
def knn(serving_home, db):
    """item-knn, trained on the shop's sales and current."""
    return shop.register("item-knn")
