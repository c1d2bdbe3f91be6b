"""What Django checks at the start."""

from __future__ import annotations

import sys
from types import ModuleType

from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from winnow import checks
from winnow.accounts.access import public

urlpatterns = [
    path("open", public(because="a test")(lambda request: HttpResponse()), name="open"),
    path("closed", lambda request: HttpResponse(), name="closed"),
]


def test_our_own_packages_pass():
    assert checks.imports_are_ours() == []


def test_a_foreign_package_of_the_same_name_is_named(monkeypatch, tmp_path):
    foreign = ModuleType("recommenders")
    foreign.__file__ = str(tmp_path / "recommenders" / "__init__.py")
    monkeypatch.setitem(sys.modules, "recommenders", foreign)
    (found,) = checks.imports_are_ours()
    assert found.id == "winnow.E002"
    assert str(tmp_path) in found.msg


def test_every_view_of_the_product_says_who_may_open_it():
    assert checks.views_say_who_may_open_them() == []


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_that_says_nothing_is_named():
    (found,) = checks.views_say_who_may_open_them()
    assert "/closed" in found.msg


@override_settings(DEBUG=True, ALLOWED_HOSTS=["winnow.example.com"])
def test_debug_for_others_is_warned_of():
    (found,) = checks.debug_is_off_for_others()
    assert found.id == "winnow.W001"
