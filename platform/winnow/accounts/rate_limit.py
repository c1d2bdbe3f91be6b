"""How many requests a key may send: a token bucket for each key, in each web process of its own."""

from __future__ import annotations

import time
from threading import Lock

from winnow.accounts.models import ApiKey

BURST_SECONDS = 2.0  # what may come at once: as much as in so many seconds

_guard = Lock()
_buckets: dict[int, tuple[float, float]] = {}  # key → tokens, and when that was


def seconds_to_wait(key: ApiKey, *, now: float | None = None) -> float:
    """0 where the request may go on, else how long until the next one may. ``now`` is in seconds of any clock."""
    rate = key.per_second
    if rate is None:
        return 0.0
    now = time.monotonic() if now is None else now
    most = rate * BURST_SECONDS
    with _guard:
        tokens, before = _buckets.get(key.pk, (most, now))
        tokens = min(most, tokens + (now - before) * rate)
        _buckets[key.pk] = (tokens - 1 if tokens >= 1 else tokens, now)
    return 0.0 if tokens >= 1 else (1 - tokens) / rate
