"""Who may open a view. Every view says so, and one that says nothing is closed to everybody."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponseBase

from winnow.accounts.roles import Permission

View = Callable[..., HttpResponseBase]


def requires(permission: Permission) -> Callable[[View], View]:
    """Open the view to people whose role has this permission."""

    def mark(view: View) -> View:
        view.required_permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def public(*, because: str) -> Callable[[View], View]:
    """Open the view to everybody, for a reason."""

    def mark(view: View) -> View:
        view.public_because = because  # type: ignore[attr-defined]
        return view

    return mark


def permission_of(view: View) -> Permission | None:
    """The permission that a view asks for, if any."""
    permission: Permission | None = getattr(view, "required_permission", None)
    return permission


def is_public(view: View) -> bool:
    """Whether a view is open to everybody."""
    return bool(getattr(view, "public_because", ""))
