"""Values that may be a little old: what every request needs and what seldom changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from django.db import Error as DatabaseFailed

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST_KEPT = 1_000


class Recent(Generic[K, V]):
    """``load(key)``, remembered for ``seconds``; at most twice that old.

    When a value is due one thread loads it and the others go on with the old one. A database that does not answer
    leaves the old value in use, for as long as it does not.
    """

    def __init__(self, load: Callable[[K], V], *, seconds: float) -> None:
        self._load = load
        self._seconds = seconds
        self._kept: dict[K, tuple[float, V]] = {}
        self._loading = Lock()

    def get(self, key: K) -> V:
        """The value. Raises what loading raises, where there is no old value."""
        found = self._kept.get(key)
        if found is None:
            return self._remember(key)
        loaded_at, value = found
        age = time.monotonic() - loaded_at
        if age < self._seconds:
            return value
        if not self._loading.acquire(blocking=age > 2 * self._seconds):
            return value
        try:
            return self._remember(key)
        except DatabaseFailed:
            logger.warning("the database does not answer; going on with what was read %.0f s ago", age)
            return value
        finally:
            self._loading.release()

    def forget(self) -> None:
        """Load everything anew."""
        self._kept.clear()

    def _remember(self, key: K) -> V:
        value = self._load(key)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (time.monotonic(), value)
        return value
