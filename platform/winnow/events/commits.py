"""Commits that several requests share: each costs the disk one flush, however many wait for it.

Whoever finds nobody committing commits what waits, its own row among it; who comes meanwhile waits, and the first of
those commits for all of them. So one request alone waits for nobody, and a hundred at once need two commits.
"""

from __future__ import annotations

from threading import Event, Lock

from django.db import connection, transaction

from winnow.events.models import InboxBody


class _Ticket:
    """One row that waits. ``woken`` when it is committed, when that failed, or when it is its turn to commit."""

    __slots__ = ("body", "done", "error", "woken")

    def __init__(self, body: InboxBody) -> None:
        self.body = body
        self.woken = Event()
        self.done = False
        self.error: BaseException | None = None


_guard = Lock()
_waiting: list[_Ticket] = []
_committing = False


def commit(body: InboxBody) -> None:
    """Store a row. When this returns it is durable. Raises what the database raises."""
    if connection.in_atomic_block:  # "committed" would be untrue, and is refused
        _write([body])
        return
    ticket = _Ticket(body)
    if not _comes_first(ticket):
        ticket.woken.wait()
    if not ticket.done:
        _commit_all_that_wait()
    if ticket.error is not None:
        raise ticket.error


def _comes_first(ticket: _Ticket) -> bool:
    global _committing
    with _guard:
        _waiting.append(ticket)
        first = not _committing
        _committing = True
    return first


def _commit_all_that_wait() -> None:
    with _guard:
        tickets = _waiting.copy()
        _waiting.clear()
    error: BaseException | None = None
    try:
        _write([ticket.body for ticket in tickets])
    except BaseException as raised:  # whatever it is: the others must be told, and not wait for ever
        error = raised
    _pass_on()
    for ticket in tickets:
        ticket.done, ticket.error = True, error
        ticket.woken.set()


def _pass_on() -> None:
    """Wake the first of those that came meanwhile: it commits next."""
    global _committing
    with _guard:
        _committing = bool(_waiting)
        if _waiting:
            _waiting[0].woken.set()


def _write(bodies: list[InboxBody]) -> None:
    with transaction.atomic(durable=True):
        InboxBody.objects.bulk_create(bodies)
