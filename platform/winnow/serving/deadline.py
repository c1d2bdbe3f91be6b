"""Calling foreign code that may take too long: somebody waits for it only so long.

The call runs in a thread of its own, since Python cannot end one. A call that overran goes on; while a version has
:data:`MOST_OVERDUE` of them it is not called at all, so that it can slow down neither the machine nor the next request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from winnow.serving.contracts import Trouble, Unservable
from winnow.serving.versions import Loaded

MOST_OVERDUE = 4
THREADS = 64  # made when they are needed; more than there are requests at once and overdue calls together

_pool: ThreadPoolExecutor | None = None


def call_until(deadline: float, loaded: Loaded, work: Callable[[], None]) -> None:
    """Do the work, and return when it is done. Raises Unservable when it is not before the deadline, or what it raises.

    The deadline is of time.monotonic.
    """
    global _pool
    if loaded.overdue >= MOST_OVERDUE:
        raise Unservable(Trouble.SLOW, f"{MOST_OVERDUE} earlier calls of {loaded.key} still run")
    _pool = _pool or ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="score")
    future = _pool.submit(work)
    try:
        future.result(timeout=max(deadline - time.monotonic(), 0))
    except NotInTime:
        if future.done():  # it raised this error itself, or was ready a moment later
            return future.result()
        if not future.cancel():
            _note_overdue(future, loaded)
        raise Unservable(Trouble.SLOW, f"{loaded.key} took longer than it may") from None


def _note_overdue(future: Future[None], loaded: Loaded) -> None:
    with loaded.lock:
        loaded.overdue += 1
    future.add_done_callback(lambda _: _note_done(loaded))


def _note_done(loaded: Loaded) -> None:
    with loaded.lock:
        loaded.overdue -= 1
