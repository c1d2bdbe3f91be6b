"""The request as our middleware leaves it."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from winnow.accounts.models import User


class PageRequest(HttpRequest):
    """A request of a person who has logged in. True ``htmx`` asks for a fragment of the page."""

    htmx: HtmxDetails
    user: User
