"""The live view, the quarantine and the vocabulary: what an engineer looks at first."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from experiments.contracts import PlannedArm, Role
from experiments.services import lifecycle
from experiments.services.lifecycle import Draft
from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope, User
from winnow.events import incoming
from winnow.events.compaction import compact
from winnow.events.incoming import Wanted
from winnow.events.models import InboxBody, RefusedEvent, SeenProperty

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inside(client, settings, tmp_path):
    settings.LAKE = tmp_path / "lake"
    client.force_login(User.objects.create_user("viewer", role="viewer"))
    return client


@pytest.fixture
def send(inside):
    key = create_api_key(name="shop", scope=Scope.WRITE_EVENTS)

    def post(*events: dict[str, object]) -> None:
        batch = [
            {"event": "Promotion Clicked", "messageId": f"m{i}", "userId": "ann", **e} for i, e in enumerate(events)
        ]
        inside.post("/v1/batch", {"batch": batch, "writeKey": key}, content_type="application/json")

    return post


def text(response) -> str:
    assert response.status_code == 200
    return words_of(response.content.decode())


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", page)))


def shown(client, query: str = "") -> list[str]:
    page = client.get(f"/events/live{query}", headers={"HX-Request": "true"}).content.decode()
    return [words_of(row) for row in re.findall(r"<tr>.*?</tr>", page, re.S)[1:]]


def test_an_empty_view_says_how_to_send_a_first_event(inside):
    page = text(inside.get("/events/live"))
    assert "winnow keys create shop --scope write_events" in page
    assert "curl http://testserver/v1/track" in page


def test_accepted_and_refused_events_stand_together_newest_first(inside, send):
    send({"anonymousId": "device-1", "properties": {"campaign_id": "c1", "position": 2}})
    send({"messageId": "n", "event": "Order Completed", "properties": {"value": 19.99, "currency": "CNY"}})
    first, second = shown(inside)
    assert "Order Completed" in first
    assert "refused" in first
    assert "properties.value: 19.99 must be a whole number" in first
    for words in ("Promotion Clicked", "ann", "device-1", "accepted", "c1", "place 2"):
        assert words in second


def test_what_was_carried_into_the_lake_stays_in_view_once(inside, send):
    send({}, {"event": "Product Viewed"})
    before = shown(inside)
    compact()
    assert not InboxBody.objects.exists()
    assert sorted(before) == sorted(shown(inside))
    assert len(before) == 2
    send({})  # a double, in the inbox and in the lake
    assert len(shown(inside)) == 2


@pytest.mark.parametrize("in_lake", [False, True], ids=["inbox", "lake"])
@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("event=Product+Viewed", 1),
        ("event=Product", 0),
        ("user=bob", 1),
        ("user=device-1", 1),
        ("experiment=e1", 2),
        ("outcome=accepted", 4),
        ("outcome=refused", 1),
        ("outcome=nonsense&paused", 5),
        ("user=%27%3B+DROP+TABLE+x", 0),
        ("event=" + "x" * 5_000, 0),
    ],
)
def test_the_filter_holds_for_every_place(inside, send, query, count, in_lake):
    send(
        {"event": "Product Viewed"},
        {"userId": "bob"},
        {"anonymousId": "device-1"},
        {"event": "Experiment Viewed", "properties": {"experiment": "e1", "arm": "control"}},
        {"event": "Experiment Viewed", "userId": "eve", "properties": {"experiment": "e1"}},
    )
    if in_lake:
        compact()
    assert len(shown(inside, f"?{query}")) == count
    assert text(inside.get(f"/events/live?{query}"))


def test_what_is_older_is_not_shown(inside, send):
    send({}, {"event": ""})
    long_ago = timezone.now() - timedelta(minutes=incoming.MINUTES + 1)
    InboxBody.objects.update(received_at=long_ago)
    RefusedEvent.objects.update(received_at=long_ago)
    assert shown(inside) == []


def test_the_view_is_bounded(inside, send, monkeypatch):
    for start in range(3):
        send(*({"messageId": f"{start}-{number}"} for number in range(100)))
    assert len(shown(inside)) == incoming.MOST
    monkeypatch.setattr(incoming, "MOST_UNPACKED", 150)
    assert incoming.incoming(Wanted(user="nobody")) == []
    compact()
    assert len(shown(inside)) == incoming.MOST


def test_the_view_asks_again_unless_it_is_paused(inside, send):
    send({})
    page = inside.get("/events/live?user=ann").content.decode()
    assert 'hx-get="/events/live?user=ann"' in page
    assert 'hx-trigger="every 3s"' in page
    assert "hx-trigger" not in inside.get("/events/live?paused").content.decode()


def test_no_property_of_an_event_is_shown_but_ids(inside, send):
    send({"type": "identify", "event": None, "traits": {"email": "ann@example.com"}})
    (row,) = shown(inside)
    assert "Identified" in row
    assert "ann@example.com" not in inside.get("/events/live").content.decode()


def test_refused_events_are_counted_by_reason_and_by_key(inside, send):
    assert "No event was refused within the last 7 days" in text(inside.get("/events/refused"))
    send({"event": "Order Completed"}, {"event": "Order Completed"}, {"userId": None})
    page = text(inside.get("/events/refused"))
    for words in ("properties.value Order Completed 2", "userId Promotion Clicked 1", "shop", "is missing; Order"):
        assert words in page
    chosen = inside.get("/events/refused?field=userId").content.decode()
    assert chosen.count('class="refusal"') == 1
    assert "None of those that are kept fits" in text(inside.get("/events/refused?key=987654321"))
    assert inside.get("/events/refused?key=%D9%A3&field=").status_code == 200


def test_only_engineers_see_what_was_sent(inside, send):
    send({"event": "Order Completed", "properties": {"email": "ann@example.com"}})
    assert "ann@example.com" not in inside.get("/events/refused").content.decode()
    inside.force_login(User.objects.create_user("engineer", role="engineer"))
    assert "ann@example.com" in inside.get("/events/refused").content.decode()


def test_unknown_names_and_changed_types_are_marked(inside, send):
    assert "No event is in the lake yet" in text(inside.get("/events/vocabulary"))
    send({"event": "Promotion Cliked", "properties": {"surface": "home"}}, {"properties": {"price": 1}})
    compact()
    SeenProperty.objects.update(first_at=timezone.now() - timedelta(days=30))
    send({"messageId": "n1", "properties": {"price": 1.5}}, {"messageId": "n2", "properties": {"price": "1", "new": 1}})
    compact()
    page = text(inside.get("/events/vocabulary"))
    assert "Promotion Cliked not in the vocabulary" in page
    assert page.index("Promotion Cliked") < page.index("Promotion Clicked")
    assert "changes its type" in page
    assert re.search(r"\bnew whole number × 1 new\b", page)


def test_events_of_simulated_experiments_are_labelled(inside, send):
    for key, simulated in (("real", False), ("made-up", True)):
        arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
        lifecycle.create(Draft(key=key, name=key, arms=arms, metrics=(("ctr", Role.PRIMARY),), simulated=simulated))
        send({"messageId": key, "properties": {"experiment": key, "arm": "control"}})
    assert ["SIMULATED" in row for row in shown(inside)] == [True, False]
