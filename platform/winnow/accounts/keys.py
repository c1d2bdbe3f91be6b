"""API keys and login links: made once, shown once, kept as a hash."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from winnow.accounts.models import CLIENT_SCOPES, ApiKey, KeyKind, LoginLink, Scope, User

logger = logging.getLogger(__name__)

LINK_LIFETIME = timedelta(hours=1)
LAST_USED_EVERY = timedelta(minutes=1)
CLIENT_PER_SECOND = 200  # requests, where nothing else is said: anybody can send with a client key
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class BadKey(ValueError):
    """A key cannot be made or changed as asked. The message names field, value and rule."""


def digest(token: str) -> str:
    """The SHA-256 of a token, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


def create_api_key(
    *,
    name: str,
    scope: Scope,
    more: Iterable[Scope] = (),
    kind: KeyKind = KeyKind.SERVER,
    origins: Iterable[str] = (),
    per_second: int | None = None,
) -> str:
    """Make a key and return it. A server key cannot be read again. Raises BadKey.

    ``origins`` are those of web pages, such as https://shop.example; ``per_second`` bounds its requests.
    """
    scopes = {scope, *more}
    if kind == KeyKind.CLIENT and not scopes <= set(CLIENT_SCOPES):
        allowed = " and ".join(CLIENT_SCOPES)
        raise BadKey(f"scopes: {', '.join(sorted(scopes))}; a client key is public and may have {allowed} only")
    if per_second is not None and per_second < 1:
        raise BadKey(f"per_second: {per_second} must be 1 or more")
    return _issue(
        ApiKey(
            name=name,
            kind=kind,
            scopes=" ".join(sorted(scopes)),
            origins=" ".join(_origin(origin, kind) for origin in origins),
            per_second=CLIENT_PER_SECOND if per_second is None and kind == KeyKind.CLIENT else per_second,
        )
    )


def _issue(row: ApiKey) -> str:
    is_client = row.kind == KeyKind.CLIENT
    key = f"{'wc' if is_client else 'wn'}_{secrets.token_urlsafe(32)}"
    row.prefix, row.digest, row.client_key = key[:8], digest(key), key if is_client else ""
    row.save()
    return key


def _origin(origin: str, kind: KeyKind) -> str:
    if kind != KeyKind.CLIENT:
        raise BadKey(f"origins: {origin}; only a client key may stand in web pages")
    if not ORIGIN.fullmatch(origin):
        raise BadKey(f"origins: {origin!r} must be a scheme and a host, such as https://shop.example")
    return origin


def find_api_key(key: str, *, scope: Scope) -> ApiKey | None:
    """The live key with this scope, or None. Notes that it was used, at most once a minute."""
    found = ApiKey.objects.filter(_live(), digest=digest(key)).first()
    if found is None or not found.may(scope):
        return None
    now = timezone.now()
    if found.last_used_at is None or now - found.last_used_at > LAST_USED_EVERY:
        _note_use(found, now)
    return found


def _note_use(key: ApiKey, now: datetime) -> None:
    """A database that is busy or read-only must not refuse a good key: the note is left out then."""
    try:
        with transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    except OperationalError as error:
        logger.warning("the use of key %s was not noted: %s", key.prefix, error)


def _live() -> Q:
    return Q(revoked_at=None) | Q(revoked_at__gt=timezone.now())


def origin_is_known(origin: str) -> bool:
    """Whether any live key may be used by web pages of this origin."""
    keys = ApiKey.objects.filter(_live(), kind=KeyKind.CLIENT).exclude(origins="")
    return any(key.lets_in(origin) for key in keys)


def find_by_prefix(prefix: str) -> ApiKey:
    """The one key that begins so, revoked or not. Raises BadKey."""
    found = list(ApiKey.objects.filter(prefix=prefix[:8])) if len(prefix) >= 8 else []
    if len(found) != 1:
        rule = "begins no key" if not found else f"begins {len(found)} keys"
        raise BadKey(f"key: {prefix!r} {rule}; winnow keys list shows how each one begins")
    return found[0]


def rotate_api_key(old: ApiKey, *, overlap: timedelta) -> str:
    """Make a key that may do the same, and let the old one work for ``overlap`` more. Returns the new key.

    Raises BadKey where the old one is revoked or has a successor.
    """
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(pk=old.pk)
        if old.revoked_at is not None:
            raise BadKey(f"key: {old} is revoked already, or will be at {old.revoked_at:%Y-%m-%d %H:%M} UTC")
        successor = ApiKey(
            name=old.name, kind=old.kind, scopes=old.scopes, origins=old.origins, per_second=old.per_second
        )
        key = _issue(successor)
        old.successor = successor
        old.revoked_at = timezone.now() + overlap
        old.save(update_fields=["successor", "revoked_at"])
    return key


def revoke_api_key(key: str) -> None:
    """Make a key useless from now on."""
    revoke(ApiKey.objects.filter(digest=digest(key)))


def revoke(keys: QuerySet[ApiKey]) -> int:
    """Make keys useless from now on; returns how many were live."""
    return keys.filter(_live()).update(revoked_at=timezone.now())


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
