"""Deny by default: a view that declares no access is closed to everybody (see :mod:`winnow.accounts.access`)."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django_htmx.middleware import HtmxDetails

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
    """To the login page, and from there back to where the person was."""
    htmx = HtmxDetails(request)
    if htmx:  # a plain redirect would put the login page into a fragment
        login = redirect_to_login(htmx.current_url_abs_path or "/")
        return HttpResponse(status=401, headers={"HX-Redirect": login.url})
    return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else "/")
