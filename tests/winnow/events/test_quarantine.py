"""Refused events are kept in bounds, counted all, and shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from winnow.accounts.keys import create_api_key, find_api_key
from winnow.accounts.models import Scope
from winnow.events import quarantine
from winnow.events.ingest import ingest
from winnow.events.models import RefusalCount, RefusedEvent

from .conftest import raw_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key():
    return find_api_key(create_api_key(name="shop", scope=Scope.WRITE_EVENTS), scope=Scope.WRITE_EVENTS)


def send(key, *raws: object) -> None:
    quarantine.keep(key, raws, ingest(raws).rejections)


def test_a_refused_event_is_kept_as_it_came_with_the_reason(key):
    bad = {"event": "Order Completed", "messageId": "m1", "userId": "ann", "properties": {"value": 19.99, "note": "\0"}}
    send(key, raw_event(), bad)
    kept = RefusedEvent.objects.get()
    assert (kept.key, kept.event, kept.user_id, kept.message_id) == (key, "Order Completed", "ann", "m1")
    assert kept.message.startswith("properties.currency: is missing")
    assert '"value":19.99' in kept.raw


@pytest.mark.parametrize("raw", [None, 5, "x" * 9_000, [], {"event": ["\0"], "userId": {"a": 1}, "messageId": 3}, {}])
def test_whatever_is_no_event_is_kept_cut_off(key, raw):
    send(key, raw)
    assert len(RefusedEvent.objects.get().raw) <= quarantine.LONGEST_KEPT


def test_refusals_are_counted_by_key_event_and_field(key):
    other = find_api_key(create_api_key(name="app", scope=Scope.WRITE_EVENTS), scope=Scope.WRITE_EVENTS)
    order = {"event": "Order Completed", "messageId": "m", "userId": "u"}
    send(key, order, order, raw_event(userId=""))
    send(key, order)
    send(other, {"event": "made up", "messageId": "m"}, {"event": "made up too", "messageId": "m"})
    counts = RefusalCount.objects.order_by("key", "event").values_list("key__name", "event", "field", "count")
    assert list(counts) == [
        ("shop", "Order Completed", "properties.value", 3),
        ("shop", "Promotion Viewed", "userId", 1),
        ("app", "", "userId", 2),
    ]


def test_the_oldest_go_first_and_the_counts_stay(key, monkeypatch):
    monkeypatch.setattr(quarantine, "MOST_KEPT", 5)
    monkeypatch.setattr(quarantine, "MOST_OF_REQUEST", 4)
    for start in (0, 10):
        send(key, *({"messageId": f"m{start + number}"} for number in range(6)))
    assert list(RefusedEvent.objects.order_by("id").values_list("message_id", flat=True)) == [
        "m3",
        "m10",
        "m11",
        "m12",
        "m13",
    ]
    assert RefusalCount.objects.get().count == 12


def test_after_two_weeks_both_are_gone(key):
    send(key, {})
    RefusedEvent.objects.update(received_at=timezone.now() - timedelta(days=15))
    RefusalCount.objects.update(day=timezone.now().date() - timedelta(days=15))
    send(key, {"messageId": "new"})
    assert RefusedEvent.objects.get().message_id == "new"
    assert RefusalCount.objects.get().day == timezone.now().date()


def test_what_cannot_be_kept_is_answered_all_the_same(client, key, monkeypatch, caplog):
    def locked(*_: object) -> None:
        raise DatabaseError("database is locked")

    secret = create_api_key(name="s", scope=Scope.WRITE_EVENTS)
    monkeypatch.setattr(quarantine, "keep", locked)
    body = {"batch": [raw_event(), {}], "writeKey": secret}
    response = client.post("/v1/batch", body, content_type="application/json")
    assert (response.status_code, response.json()["accepted"]) == (200, 1)
    assert "1 refused events were not kept" in caplog.text
