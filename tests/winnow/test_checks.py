"""What Django checks at the start."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
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


def test_a_foreign_distribution_that_may_have_replaced_our_files_is_named(monkeypatch):
    monkeypatch.setattr(checks, "distribution", lambda name: name)
    found = checks.imports_are_ours()
    assert [message.id for message in found] == ["winnow.E001", "winnow.E002"]
    assert "pip uninstall experiments" in str(found[0].hint)


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


def test_a_lake_that_is_not_there_yet_may_be_made(settings, tmp_path):
    settings.LAKE = tmp_path / "shared" / "lake"
    assert checks.the_lake_can_be_written() == []


def test_a_lake_inside_a_file_is_named(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.LAKE = tmp_path / "file" / "lake"
    (found,) = checks.the_lake_can_be_written()
    assert found.id == "winnow.E004"
    assert str(tmp_path / "file") in found.msg


def test_no_allowed_host_is_an_error(settings):
    settings.ALLOWED_HOSTS = []
    (found,) = checks.some_host_is_allowed()
    assert found.id == "winnow.E005"


def test_an_old_sqlite_is_warned_of_where_it_is_used(settings, monkeypatch):
    monkeypatch.setattr(checks.sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    (found,) = checks.sqlite_is_a_tested_one()
    assert found.id == "winnow.W002"
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    assert checks.sqlite_is_a_tested_one() == []


def test_translations_that_are_not_compiled_are_warned_of(monkeypatch, tmp_path):
    source = tmp_path / "xx" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    source.touch()
    monkeypatch.setattr(checks.translations, "LOCALE", tmp_path)
    (found,) = checks.translations_are_compiled()
    assert found.id == "winnow.W003"
    source.with_suffix(".mo").touch()
    assert checks.translations_are_compiled() == []
    os.utime(source, (4e9, 4e9))
    assert len(checks.translations_are_compiled()) == 1


def test_every_check_is_documented():
    root = Path(checks.__file__).parents[2]
    code = Path(checks.__file__).read_text()
    ids = {*re.findall(r'"winnow\.([EW]\d{3})"', code), "E001", "E002"}  # these two are made in a loop
    table = re.findall(r"^\| winnow\.(.*?) \|", (root / "docs/running.md").read_text(), re.MULTILINE)
    assert ids == set(re.findall(r"[EW]\d{3}", " ".join(table)))
