"""Deny by default: a view that declares no access is closed to everybody (see :mod:`winnow.accounts.access`)."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.deprecation import MiddlewareMixin

from winnow.accounts.access import View, is_public, permission_of
from winnow.accounts.models import User


class DenyByDefault(MiddlewareMixin):
    """Let a request reach its view only as far as the view says."""

    def process_view(
        self, request: HttpRequest, view: View, _args: tuple[object, ...], _kwargs: dict[str, object]
    ) -> HttpResponseBase | None:
        """None to go on; a redirect to the login page, or PermissionDenied."""
        if is_public(view):
            return None
        permission = permission_of(view)
        if permission is None:
            raise PermissionDenied("this address is closed")
        if not isinstance(request.user, User):
            return _to_login(request)
        if not request.user.may(permission):
            raise PermissionDenied(f"this needs the permission {permission}")
        return None


def _to_login(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):  # a redirect would put the login page into a fragment
        return HttpResponse(status=401, headers={"HX-Redirect": resolve_url("login")})
    return redirect_to_login(request.get_full_path())
