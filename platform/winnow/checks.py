"""Checks that Django runs at every start."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver

from winnow import translations
from winnow.accounts.access import is_public, permission_of

PACKAGE = Path(__file__).resolve().parent
OLDEST_SQLITE = (3, 40)  # the oldest that the tests have run on


@register()
def imports_are_ours(**_: object) -> list[CheckMessage]:
    """PyPI has other packages named experiments and recommenders: one of them may hide ours, or lie mixed with it."""
    return [
        Error(f"{name} is not ours: {reason}", hint=hint, id=f"winnow.E00{number}")
        for number, name in enumerate(("experiments", "recommenders"), start=1)
        for reason, hint in why_foreign(name)
    ]


def why_foreign(name: str) -> Iterator[tuple[str, str]]:
    """What speaks against a package being ours, and what to do."""
    if is_installed_from_pypi(name):
        again = "then install winnow-platform again (pip install --force-reinstall --no-deps)"
        yield f"the distribution {name} is installed here too", f"pip uninstall {name}, {again}."
    elif not is_ours(name):
        yield f"it is imported from {import_module(name).__file__}", "Remove that folder from Python's path."


def is_installed_from_pypi(name: str) -> bool:
    """Whether the foreign distribution of this name is installed; its files may have replaced some of ours."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def is_ours(name: str) -> bool:
    """Whether a package lies beside this one: in the same checkout, or the same site-packages."""
    found = Path(str(import_module(name).__file__)).resolve().parent.parent
    return found in (PACKAGE.parent, PACKAGE.parent.parent)


@register()
def views_say_who_may_open_them(**_: object) -> list[CheckMessage]:
    """A view without @requires or @public is closed to everybody, which nobody can have meant."""
    return [
        Error(
            f"the view of {address} does not say who may open it",
            hint="Give it @requires(permission) or @public(because=...) from winnow.accounts.access.",
            id="winnow.E003",
        )
        for address, pattern in addresses()
        if not is_public(pattern.callback) and permission_of(pattern.callback) is None
    ]


def addresses(resolver: URLResolver | None = None, prefix: str = "/") -> list[tuple[str, URLPattern]]:
    """Every address of the product with its pattern."""
    found: list[tuple[str, URLPattern]] = []
    for pattern in (resolver or get_resolver()).url_patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += addresses(pattern, address)
        else:
            found.append((address, pattern))
    return found


@register()
def debug_is_off_for_others(**_: object) -> list[CheckMessage]:
    """Debug pages show settings and code."""
    local = {"localhost", "127.0.0.1", "[::1]", "testserver"}
    if not settings.DEBUG or set(settings.ALLOWED_HOSTS) <= local:
        return []
    return [
        Warning(
            "WINNOW_DEBUG is on and WINNOW_ALLOWED_HOSTS names other hosts than this machine",
            hint="Set WINNOW_DEBUG=0.",
            id="winnow.W001",
        )
    ]


@register()
def the_lake_can_be_written(**_: object) -> list[CheckMessage]:
    """The folder is made by the first compaction, so its nearest parent counts until then."""
    folder = next(path for path in (settings.LAKE, *settings.LAKE.absolute().parents) if path.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"events cannot be stored in {settings.LAKE}: {folder} is not a folder that this user may write to",
            hint="Set WINNOW_LAKE or WINNOW_HOME to a folder of your own.",
            id="winnow.E004",
        )
    ]


@register()
def some_host_is_allowed(**_: object) -> list[CheckMessage]:
    """Without any, every request is refused."""
    if settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "WINNOW_ALLOWED_HOSTS names no host, so every request would be refused",
            hint="Name the hosts under which the pages are asked for, or leave the variable unset.",
            id="winnow.E005",
        )
    ]


@register()
def sqlite_is_a_tested_one(**_: object) -> list[CheckMessage]:
    """Python brings its own SQLite, or the system's."""
    if "sqlite" not in settings.DATABASES["default"]["ENGINE"] or sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return []
    return [
        Warning(
            f"SQLite {sqlite3.sqlite_version} is older than any that Winnow is tested on",
            hint="Use a newer Python, or PostgreSQL (WINNOW_DATABASE_URL).",
            id="winnow.W002",
        )
    ]


@register()
def translations_are_compiled(**_: object) -> list[CheckMessage]:
    """Without its .mo file a language shows English."""
    return [
        Warning(
            f"the translations in {source} are not compiled",
            hint="winnow setup compiles them.",
            id="winnow.W003",
        )
        for source in translations.stale_catalogues()
    ]
