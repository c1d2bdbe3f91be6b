"""Checks that Django runs at every start."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver

from winnow.accounts.access import is_public, permission_of

PACKAGE = Path(__file__).resolve().parent


@register()
def imports_are_ours(**_: object) -> list[CheckMessage]:
    """PyPI has other packages named experiments and recommenders: one of them may hide ours."""
    return [
        Error(
            f"{name} is imported from {import_module(name).__file__}, which is not part of Winnow",
            hint=f"Uninstall the other package: pip uninstall {name}",
            id=f"winnow.E00{number}",
        )
        for number, name in enumerate(("experiments", "recommenders"), start=1)
        if not is_ours(name)
    ]


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
