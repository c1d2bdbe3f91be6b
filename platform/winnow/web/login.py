"""Logging in by password or by a one-time link, and logging out."""

from __future__ import annotations

from django.contrib.auth import login as log_in
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.i18n import set_language

from winnow.accounts.access import public
from winnow.accounts.keys import redeem_login_link

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"

by_password = public(because="this is where people log in")(
    LoginView.as_view(template_name="login/password.html", redirect_authenticated_user=True)
)
log_out = public(because="it only ends the session of whoever asks")(LogoutView.as_view(next_page="login"))
language = public(because="people choose their language before they log in")(set_language)


@public(because="the token is the credential")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Ask before the link is used up: programs that preview links only GET them."""
    if request.method != "POST":
        return render(request, "login/link.html")
    user = redeem_login_link(token)
    if user is None or not user.is_active:
        return render(request, "login/expired.html", status=410)
    log_in(request, user, backend=MODEL_BACKEND)
    return redirect("experiments")
