"""The tracking protocol, as its clients speak it."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from winnow.accounts.keys import create_api_key, revoke_api_key
from winnow.accounts.models import KeyKind, Scope
from winnow.api import tracking
from winnow.events.models import InboxBody

pytestmark = pytest.mark.django_db


def event(number: int = 1, **changes: object) -> dict[str, object]:
    return {
        "type": "track",
        "event": "Promotion Clicked",
        "messageId": f"m{number}",
        "userId": "ann",
        "timestamp": timezone.now().isoformat(),
        **changes,
    }


@pytest.fixture
def key():
    return create_api_key(name="shop", scope=Scope.WRITE_EVENTS)


@pytest.fixture
def post(client, key):
    def send(body: object, path: str = "/v1/batch", user: str | None = None, **headers: str):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        basic = b64encode(f"{key if user is None else user}:".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", **headers}
        return client.post(path, data, content_type="application/json", headers=headers)

    return send


def test_a_batch_is_durable_when_it_is_answered(post):
    response = post({"batch": [event(1), event(2)]})
    assert (response.status_code, response.json()) == (200, {"success": True, "accepted": 2})
    assert InboxBody.objects.get().count == 2


def test_one_event_can_be_sent_alone(post):
    assert post(event(), "/v1/track").status_code == 200
    assert InboxBody.objects.get().count == 1


def test_a_gzip_body_is_unpacked(post):
    body = gzip.compress(json.dumps({"batch": [event()]}).encode())
    assert post(body, **{"Content-Encoding": "gzip"}).json()["accepted"] == 1


def test_invalid_events_are_answered_one_by_one_and_the_others_kept(post):
    response = post({"batch": [event(1), event(2, event=""), event(3, userId=None)]})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["success"], answer["accepted"]) == (True, 1)
    assert answer["rejected"][0] == {
        "index": 1,
        "messageId": "m2",
        "field": "event",
        "message": "event: is missing; it names what happened",
    }
    assert [(row["index"], row["messageId"], row["field"]) for row in answer["rejected"][1:]] == [(2, "m3", "userId")]


def test_nothing_but_invalid_events_is_a_bad_request(post):
    response = post({"batch": [event(event="")]})
    assert response.status_code == 400
    answer = response.json()
    assert (answer["code"], len(answer["rejected"])) == ("invalid_events", 1)
    assert "event: is missing" in answer["message"]
    assert not InboxBody.objects.exists()


@pytest.mark.parametrize("user", ["", "wn_wrong", "é"])
def test_a_wrong_key_is_refused(post, user):
    response = post({"batch": [event()]}, user=user)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Bearer abc"])
def test_a_header_that_is_no_basic_authentication_is_refused(post, header):
    assert post({"batch": []}, Authorization=header).status_code == 401


def test_a_revoked_key_is_refused(post, key):
    revoke_api_key(key)
    assert post({"batch": [event()]}).status_code == 401


def test_a_key_for_reading_cannot_write(post):
    assert post({"batch": [event()]}, user=create_api_key(name="r", scope=Scope.READ)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b"\xff", 400, "bad_json"),
        (b"[]", 400, "bad_request"),
        (b'{"batch": {}}', 400, "bad_request"),
        (json.dumps({"batch": [1] * 2_501}).encode(), 413, "too_large"),
        (b" " * 500_001, 413, "too_large"),
        (b" " * 2_000_000, 413, "too_large"),
    ],
)
def test_a_body_that_is_not_right_is_refused(post, body, status, code):
    response = post(body)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not gzip", 400, "bad_gzip"),
        (gzip.compress(b'{"batch": []}')[:-12], 400, "bad_gzip"),
        (gzip.compress(b" " * 100_000_000), 413, "too_large"),
    ],
    ids=["not gzip", "cut off", "bomb"],
)
def test_a_gzip_body_that_is_not_right_is_refused(post, body, status, code):
    response = post(body, **{"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_other_methods_and_addresses_with_a_slash_are_not_there(client, post):
    assert client.get("/v1/batch").status_code == 405
    assert post({"batch": []}, "/v1/batch/").status_code == 404


def test_a_database_that_cannot_store_is_said_and_nothing_acknowledged(post, monkeypatch):
    def locked(_events, **_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(tracking, "ingest", locked)
    response = post({"batch": [event()]})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


def stored() -> list[dict[str, object]]:
    lines = b"".join(bytes(body.events) for body in InboxBody.objects.order_by("id")).splitlines()
    return [json.loads(line) | {"properties": json.loads(json.loads(line)["properties"])} for line in lines]


WHO = {"messageId": "m1", "userId": "ann", "anonymousId": "device-1"}
CALLS = {
    "track": ({"event": "Gift Wrapped", "properties": {"paper": "red"}}, "Gift Wrapped", {"paper": "red"}),
    "identify": ({"traits": {"value": "gold"}}, "Identified", {"traits": {"value": "gold"}}),
    "page": (
        {"name": "Home", "properties": {"path": "/"}, "category": None},
        "Page Viewed",
        {"name": "Home", "path": "/"},
    ),
    "screen": ({"name": "Cart"}, "Screen Viewed", {"name": "Cart"}),
    "group": ({"groupId": "g1", "traits": {"size": 3}}, "Grouped", {"group_id": "g1", "traits": {"size": 3}}),
    "alias": ({"previousId": "device-1"}, "Aliased", {"previous_id": "device-1"}),
}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a batch"])
@pytest.mark.parametrize("call", CALLS)
def test_every_call_becomes_an_event(post, call, alone):
    sent, event_name, properties = CALLS[call]
    message = {**WHO, **sent}
    path, body = (f"/v1/{call}", message) if alone else ("/v1/batch", {"batch": [message | {"type": call}]})
    assert post(body, path).json() == {"success": True, "accepted": 1}
    (row,) = stored()
    assert (row["event"], row["properties"]) == (event_name, properties)
    assert (row["user_id"], row["anonymous_id"], row["message_id"]) == ("ann", "device-1", "m1")


@pytest.mark.parametrize(
    ("call", "changes", "field"),
    [
        ("alias", {}, "previousId"),
        ("alias", {"previousId": 7}, "previousId"),
        ("group", {"groupId": ""}, "groupId"),
        ("identify", {"traits": "gold"}, "traits"),
        ("page", {"properties": [1]}, "properties"),
        ("say", {}, "type"),
        (["track"], {}, "type"),
    ],
)
def test_a_call_that_lacks_what_it_needs_is_refused_by_field(post, call, changes, field):
    answer = post({"batch": [{**WHO, "type": call, **changes}]}).json()
    assert [row["field"] for row in answer["rejected"]] == [field]


@pytest.mark.parametrize("name", ["import", "b"])
def test_batches_are_known_under_their_other_addresses(post, name):
    assert post({"batch": [event()]}, f"/v1/{name}").json()["accepted"] == 1


def test_browsers_clients_send_the_key_in_the_body_as_plain_text(client, key):
    body = json.dumps(event() | {"writeKey": key})
    assert client.post("/v1/t", body, content_type="text/plain").status_code == 200
    assert client.post("/v1/t", json.dumps(event()), content_type="text/plain").status_code == 401


def test_a_header_that_is_wrong_is_not_mended_by_the_body(post, key):
    assert post({"batch": [event()], "writeKey": key}, user="wn_wrong").status_code == 401


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
def test_a_clock_that_is_wrong_is_corrected(post, field):
    """timestamp = receivedAt - (sentAt - originalTimestamp)"""
    sent_at = timezone.now() + timedelta(days=400)  # what the device believes
    message = event(**{"timestamp": None, field: (sent_at - timedelta(seconds=90)).isoformat()})
    assert post({"batch": [message], "sentAt": sent_at.isoformat()}).json()["accepted"] == 1
    (row,) = stored()
    assert row["received_at"] - row["timestamp"] == 90_000_000


def test_without_sent_at_the_time_is_taken_as_it_is(post):
    when = timezone.now() - timedelta(days=3)
    post({"batch": [event(timestamp=when.isoformat())]})
    (row,) = stored()
    assert row["timestamp"] == round(when.timestamp() * 1e6)


@pytest.mark.parametrize("sent_at", ["now", "2026-01-01T00:00:00", 5])
def test_a_time_of_sending_that_is_none_is_refused_with_its_rule(post, sent_at):
    response = post({"batch": [event()], "sentAt": sent_at})
    assert response.status_code == 400
    assert "sentAt" in response.json()["message"]


@pytest.mark.parametrize(
    ("sent_at", "timestamp"),
    [("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"), ("9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z")],
)
def test_times_at_the_ends_of_the_calendar_are_refused(post, sent_at, timestamp):
    body = {"batch": [event(timestamp=timestamp)], "sentAt": sent_at}
    assert [row["field"] for row in post(body).json()["rejected"]] == ["timestamp"]


def test_a_message_without_an_id_gets_one_that_a_repetition_gets_too(post):
    message = {name: value for name, value in event().items() if name != "messageId"}
    for changes in ({}, {}, {"userId": "bob"}):
        post({"batch": [message | changes]})
    first, again, other = (row["message_id"] for row in stored())
    assert first == again != other
    untimed = {name: value for name, value in message.items() if name != "timestamp"}
    post({"batch": [untimed, untimed]})
    assert len({row["message_id"] for row in stored()}) == 4


def test_of_the_context_only_segments_are_kept(post):
    context = {"locale": "zh-CN", "ip": "192.0.2.1", "userAgent": "x", "page": {"path": "/sale", "url": "https://a/"}}
    own = {"locale": "en-GB", "device": {"type": "tablet", "id": "7"}, "library": {"name": "l"}}
    post({"batch": [event(1, context=own), event(2)], "context": context})
    assert [row["properties"] for row in stored()] == [
        {"context": {"locale": "en-GB", "device": {"type": "tablet"}, "page": {"path": "/sale"}}},
        {"context": {"locale": "zh-CN", "page": {"path": "/sale"}}},
    ]


def test_one_message_has_at_most_32_kilobytes(post):
    answer = post({"batch": [event(1), event(2, integrations={"note": "x" * 33_000})]}).json()
    assert answer["accepted"] == 1
    assert "must be at most 32768" in answer["rejected"][0]["message"]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("field", ["event", "type", "userId", "traits", "context", "properties", "timestamp", "note"])
@pytest.mark.parametrize("size", [0, 40_000])
def test_what_is_nested_deeply_is_answered(post, field, size):
    body = f'{{"batch": [{{"userId": "a", "event": "e", "{field}": {deep(1_000)}}}], "pad": "{" " * size}"}}'
    assert post(body.encode()).status_code in (200, 400)
    body = f'{{"batch": [{{"userId": "a", "properties": {{"a": {deep(900)}}}, "{field}": "e"}}]}}'
    assert post(body.encode()).status_code in (200, 400)


SHOP = "https://shop.example"


@pytest.fixture
def public_key():
    return create_api_key(name="pages", scope=Scope.WRITE_EVENTS, kind=KeyKind.CLIENT, origins=[SHOP])


def test_a_browser_may_send_from_a_listed_origin(client, public_key):
    asked = client.options("/v1/batch", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == SHOP
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    body = json.dumps({"batch": [event()], "writeKey": public_key})
    response = client.post("/v1/batch", body, content_type="text/plain", headers={"Origin": SHOP})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, SHOP)
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://shop.example", "https://shop.example:8443", "null"])
def test_a_browser_may_not_send_from_another_origin(client, public_key, origin):
    asked = client.options("/v1/batch", headers={"Origin": origin})
    assert asked.status_code == 403
    body = json.dumps({"batch": [event()], "writeKey": public_key})
    response = client.post("/v1/batch", body, content_type="text/plain", headers={"Origin": origin})
    assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in response.headers
    assert not InboxBody.objects.exists()


def test_a_server_key_is_refused_in_a_web_page(post, public_key):
    assert post({"batch": [event()]}, Origin=SHOP).status_code == 403


def test_a_client_key_also_works_without_a_browser(post, public_key):
    assert post({"batch": [event()]}, user=public_key).status_code == 200


def test_a_key_that_sends_too_often_is_told_when_to_come_again(client):
    key = create_api_key(name="p", scope=Scope.WRITE_EVENTS, kind=KeyKind.CLIENT, origins=[SHOP], per_second=1)
    body = json.dumps({"batch": [], "writeKey": key})
    sent = [client.post("/v1/batch", body, content_type="text/plain", headers={"Origin": SHOP}) for _ in range(5)]
    assert [response.status_code for response in sent[:2]] == [200, 200]
    last = sent[-1]
    assert (last.status_code, last.json()["code"], last.headers["Retry-After"]) == (429, "rate_limited", "1")
    assert last.headers["Access-Control-Allow-Origin"] == SHOP  # so that the page's script may read it
