"""A lock between processes that the kernel or the database server releases when its holder dies.

PostgreSQL: a session advisory lock, held across machines. SQLite is one machine by definition: a locked file.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from django.conf import settings
from django.db import connection


@contextmanager
def exclusive(name: str) -> Iterator[bool]:
    """Try to take the lock; yields whether it was taken. Never waits."""
    digest = sha256(name.encode()).digest()
    if connection.vendor == "postgresql":
        key = int.from_bytes(digest[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
            taken = bool(cursor.fetchone()[0])
            try:
                yield taken
            finally:
                if taken:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
        return
    with (settings.RUNTIME / f"{digest.hex()[:24]}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
