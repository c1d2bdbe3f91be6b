"""Commits that several requests share: nobody goes on before their row is there, and everybody learns of a failure."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier, Event

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from winnow.events import commits
from winnow.events.models import InboxBody

THREADS = 12


def body(number: int) -> InboxBody:
    return InboxBody(received_at=timezone.now(), events=b"%d" % number, count=1)


def commit(number: int) -> bool:
    """Whether the row was there when it was said to be."""
    row = body(number)
    try:
        commits.commit(row)
        return InboxBody.objects.filter(events=row.events).exists()
    finally:
        connection.close()


@dataclass
class Gate:
    """How many rows each commit had; the first one is held until it is told to go on."""

    sizes: list[int] = field(default_factory=list)
    go_on: Event = field(default_factory=Event)

    def pass_when(self, waiting: int) -> None:
        while len(commits._waiting) < waiting:
            time.sleep(0.001)
        self.go_on.set()


@pytest.fixture
def gate(monkeypatch):
    gate, write = Gate(), commits._write

    def note(bodies):
        gate.sizes.append(len(bodies))
        gate.go_on.wait(10)
        write(bodies)

    monkeypatch.setattr(commits, "_write", note)
    return gate


def all_at_once(gate: Gate) -> list[bool | str]:
    """What a dozen rows became, each in a thread of its own; the first commit is held until all others wait."""
    start = Barrier(THREADS)

    def one(number: int) -> bool | str:
        start.wait()
        try:
            return commit(number)
        except OperationalError as error:
            return str(error)

    with ThreadPoolExecutor(THREADS + 1) as pool:
        passed = pool.submit(gate.pass_when, THREADS - 1)
        found = list(pool.map(one, range(THREADS)))
        passed.result()
    return found


@pytest.mark.django_db(transaction=True)
def test_those_who_come_during_a_commit_share_the_next_one(gate):
    assert all_at_once(gate) == [True] * THREADS
    assert gate.sizes == [1, THREADS - 1]
    assert InboxBody.objects.count() == THREADS
    assert commit(99)
    assert gate.sizes == [1, THREADS - 1, 1]


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_told_to_all_whose_rows_it_meant_and_the_next_commit_is_a_new_one(gate, monkeypatch):
    write = commits._write

    def fail_for_many(bodies):
        if len(bodies) > 1:
            raise OperationalError("disk full")
        write(bodies)

    monkeypatch.setattr(commits, "_write", fail_for_many)
    found = all_at_once(gate)
    assert sorted(map(str, found)) == ["True"] + ["disk full"] * (THREADS - 1)
    assert InboxBody.objects.count() == 1
    assert commit(99)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_ones_own_is_refused():
    with pytest.raises(RuntimeError), transaction.atomic():
        commits.commit(body(1))
    assert not InboxBody.objects.exists()
