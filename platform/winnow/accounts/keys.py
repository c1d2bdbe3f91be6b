"""API keys and login links: made once, shown once, kept as a hash."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from django.utils import timezone

from winnow.accounts.models import ApiKey, LoginLink, Scope, User

LINK_LIFETIME = timedelta(hours=1)


def digest(token: str) -> str:
    """The SHA-256 of a token, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


def create_api_key(*, name: str, scope: Scope) -> str:
    """Make a key and return it. It cannot be read again."""
    key = f"wn_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(name=name, prefix=key[:8], digest=digest(key), scope=scope)
    return key


def find_api_key(key: str, *, scope: Scope) -> ApiKey | None:
    """The live key with this scope, or None."""
    return ApiKey.objects.filter(digest=digest(key), scope=scope, revoked_at=None).first()


def revoke_api_key(key: str) -> None:
    """Make a key useless from now on."""
    ApiKey.objects.filter(digest=digest(key), revoked_at=None).update(revoked_at=timezone.now())


def create_login_link(user: User) -> str:
    """Make a one-time login token for a person and return it."""
    token = secrets.token_urlsafe(32)
    LoginLink.objects.create(user=user, digest=digest(token), expires_at=timezone.now() + LINK_LIFETIME)
    return token


def redeem_login_link(token: str) -> User | None:
    """The person behind a token that is unused and not expired; the token is used up by the call."""
    now = timezone.now()
    used = LoginLink.objects.filter(digest=digest(token), used_at=None, expires_at__gt=now).update(used_at=now)
    if not used:
        return None
    return LoginLink.objects.select_related("user").get(digest=digest(token)).user
