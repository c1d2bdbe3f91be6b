"""The key of a request to the tracking protocol: where it stands, which pages may use it, how often."""

from __future__ import annotations

import math
from base64 import b64decode
from binascii import Error as Base64Error

from django.http import HttpRequest, HttpResponse

from winnow.accounts.keys import find_api_key, origin_is_known
from winnow.accounts.models import ApiKey, Scope
from winnow.accounts.rate_limit import seconds_to_wait
from winnow.api.refusals import Refused

# What browsers may send. The answer to a preflight stays good for ten minutes.
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
    "Access-Control-Max-Age": "600",
}


def key_in_header(request: HttpRequest) -> str | None:
    """The user name of Basic authentication; "" where the header is something else, None where there is no header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    try:
        return b64decode(encoded, validate=True).decode().partition(":")[0] if scheme.lower() == "basic" else ""
    except (Base64Error, UnicodeDecodeError):
        return ""


def admit(request: HttpRequest, key: str) -> ApiKey:
    """The key, if it may write events now and from where the request comes. Raises Refused."""
    found = find_api_key(key, scope=Scope.WRITE_EVENTS) if key else None
    if found is None:
        raise Refused(
            401, "unauthorized", "send a write key as the user name of Basic authentication, or as writeKey in the body"
        )
    origin = request.headers.get("Origin", "")
    if origin and not found.lets_in(origin):
        raise Refused(
            403, "origin_not_allowed", f"the key {found.prefix}… is not for pages of {origin}; winnow keys create"
        )
    wait = seconds_to_wait(found)
    if wait:
        seconds = str(max(1, math.ceil(wait)))
        headers = {"Retry-After": seconds, "X-RateLimit-Reset": seconds}
        message = f"this key may send {found.per_second} requests a second; send the same again after {seconds} s"
        raise Refused(429, "rate_limited", message, headers | sharing(origin))
    return found


def sharing(origin: str) -> dict[str, str]:
    """The headers that let a page of this origin read the answer."""
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def preflight(request: HttpRequest) -> HttpResponse:
    """What a browser asks before it sends. The key is not in there, so any key that lists the origin will do."""
    origin = request.headers.get("Origin", "")
    if not origin or not origin_is_known(origin):
        return HttpResponse(status=403, headers={"Vary": "Origin"})
    return HttpResponse(status=204, headers=PREFLIGHT | sharing(origin))
