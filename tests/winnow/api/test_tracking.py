"""The tracking protocol, as its clients speak it."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode

import pytest
from django.db import OperationalError
from django.utils import timezone
from segment.analytics import request
from segment.analytics.client import Client

from winnow.accounts.keys import create_api_key, revoke_api_key
from winnow.accounts.models import Scope
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
    def locked(_events):
        raise OperationalError("database is locked")

    monkeypatch.setattr(tracking, "ingest", locked)
    response = post({"batch": [event()]})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_official_client_is_understood(live_server, key, packed):
    errors: list[object] = []
    client = Client(key, host=live_server.url, gzip=packed, max_retries=0, on_error=lambda *error: errors.append(error))
    client.track("ann", "Promotion Clicked", {"campaign_id": "c1"}, message_id="m1")
    client.track(anonymous_id="device-1", event="Survey Answered", properties={"value": 4})
    client.join()
    request._session.close()  # it would keep a thread of the server busy until the end
    assert errors == []
    (body,) = InboxBody.objects.all()
    rows = [json.loads(line) for line in bytes(body.events).splitlines()]
    assert [(row["user_id"], row["event"], row["campaign_id"], row["value"]) for row in rows] == [
        ("ann", "Promotion Clicked", "c1", None),
        ("device-1", "Survey Answered", None, 4),
    ]
    assert rows[0]["message_id"] == "m1"
