"""POST /api/v1/recommendations and GET /metrics, as programs and people call them."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError

from tests.winnow.serving import shop
from winnow.accounts.keys import create_api_key, revoke_api_key
from winnow.accounts.models import Scope, User
from winnow.api import recommendations
from winnow.events.models import InboxBody
from winnow.serving import record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("serving_home")]
pytest_plugins = ["tests.winnow.serving.fixtures"]
URL = "/api/v1/recommendations"


@pytest.fixture
def key():
    return create_api_key(name="shop", scope=Scope.RECOMMEND)


@pytest.fixture
def ask(client, key):
    """Send a body, with the key unless another one is given."""

    def send(body, *, bearer=None, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key if bearer is None else bearer}", **headers}
        return client.post(URL, data, content_type="application/json", headers=headers)

    return send


def logged() -> list[dict[str, object]]:
    """Every event of the inbox, its properties unpacked."""
    rows = [json.loads(line) for body in InboxBody.objects.order_by("id") for line in bytes(body.events).splitlines()]
    return [row | json.loads(row["properties"]) for row in rows]


def test_a_list_for_one_user_is_answered_and_is_what_was_logged(ask, knn):
    response = ask(
        {"strategy": "item-knn", "surface": "home", "user_id": "ann", "k": 5, "history": [{"item_id": "i03"}]}
    )
    answer = response.json()
    assert response.status_code == 200
    assert (answer["user_id"], answer["strategy"], answer["version"], answer["arm"]) == ("ann", "item-knn", "v1", None)
    assert len(answer["items"]) == 5
    assert {slot["source"] for slot in answer["items"]} == {"strategy"}
    assert all(int(slot["item_id"][1:]) < 18 for slot in answer["items"])  # of the half that i03 belongs to
    assert "i03" not in {slot["item_id"] for slot in answer["items"]}
    (event,) = logged()
    assert (event["event"], event["user_id"], event["ranking_id"]) == (
        "Recommendation Served",
        "ann",
        answer["ranking_id"],
    )
    assert (event["strategy"], event["version"], event["surface"]) == ("item-knn", "v1", "home")
    assert event["pool"] == len(shop.ITEMS) - 1
    assert event["items"] == [
        {name: slot[name] for name in ("item_id", "propensity", "source")} for slot in answer["items"]
    ]


def test_a_batch_is_answered_in_its_order_and_logged_as_one_body(ask, knn):
    users = [{"user_id": "ann"}, {"anonymous_id": "device"}, {"user_id": "bob", "history": [{"item_id": "i20"}]}]
    lists = ask({"strategy": knn, "users": users}).json()["lists"]
    assert [made.get("user_id") or made["anonymous_id"] for made in lists] == ["ann", "device", "bob"]
    assert len({made["ranking_id"] for made in lists}) == 3
    assert InboxBody.objects.get().count == 3


def test_an_exposure_is_logged_with_the_list_if_asked(ask, knn):
    shop.experiment(knn, knn)
    answer = ask({"experiment": "exp", "user_id": "ann", "expose": True}).json()
    served, viewed = logged()
    assert answer["arm"] in ("control", "arm-1")
    assert (served["experiment"], served["arm"]) == ("exp", answer["arm"])
    assert (viewed["event"], viewed["experiment"], viewed["arm"]) == ("Experiment Viewed", "exp", answer["arm"])
    assert viewed["ranking_id"] == served["ranking_id"] == answer["ranking_id"]
    assert InboxBody.objects.get().count == 2


def test_a_person_who_may_run_experiments_may_try_it(client, knn):
    client.force_login(User.objects.create_user("ann", role="product_manager"))
    response = client.post(URL, {"strategy": knn, "user_id": "u1"}, content_type="application/json")
    assert (response.status_code, len(response.json()["items"])) == (200, 10)


def test_a_person_needs_the_csrf_token(knn, client):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_user("ann", role="admin"))
    assert strict.post(URL, {"strategy": knn, "user_id": "u1"}, content_type="application/json").status_code == 403


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE_EVENTS])
def test_a_key_for_something_else_is_refused(ask, scope):
    assert ask({}, bearer=create_api_key(name="other", scope=scope)).status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wn_wrong", "Basic abc"])
def test_nobody_gets_in_without_a_key(ask, header):
    assert ask({}, Authorization=header).status_code == 401
    assert not InboxBody.objects.exists()


def test_a_revoked_key_is_out_within_seconds(ask, key, knn, monkeypatch):
    assert ask({"strategy": knn, "user_id": "u1"}).status_code == 200
    revoke_api_key(key)
    monkeypatch.setattr(recommendations.KEYS, "_seconds", 0.0)
    assert ask({"strategy": knn, "user_id": "u1"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b"{", "", "is not JSON"),
        (b"\xff", "", "is not JSON"),
        (b"[]", "", "must be a JSON object"),
        ({}, "experiment", "either an experiment or a strategy"),
        ({"experiment": "a", "strategy": "b", "user_id": "u"}, "experiment", "not both"),
        ({"strategy": "a"}, "user_id", "is missing"),
        ({"strategy": "a", "user_id": ""}, "user_id", "'' must not be empty"),
        ({"strategy": "a", "user_id": "u\0"}, "user_id", "must not hold a NUL"),
        ({"strategy": "a", "user_id": 7}, "user_id", "7 must be a valid string"),
        ({"strategy": "a", "user_id": "u" * 201}, "user_id", "must have at most 200 characters"),
        ({"strategy": "a", "user_id": "u", "k": 0}, "k", "0 must be greater than or equal to 1"),
        ({"strategy": "a", "user_id": "u", "k": 501}, "k", "501 must be less than or equal to 500"),
        ({"strategy": "a", "user_id": "u", "k": "5"}, "k", "'5' must be a valid integer"),
        ({"strategy": "a", "user_id": "u", "expose": True}, "expose", "none is given"),
        ({"strategy": "a", "user_id": "u", "exclude_histroy": False}, "exclude_histroy", "is no field here"),
        ({"strategy": "a", "users": []}, "users", "at least 1 item"),
        ({"strategy": "a", "users": [{"user_id": "u"}] * 1001}, "users", "at most 1000 items"),
        ({"strategy": "a", "users": [{"user_id": "u"}] * 201, "k": 500}, "k", "at most 100000 in all"),
        ({"strategy": "a", "users": [{"user_id": "u"}, {}]}, "users.1.user_id", "is missing"),
        ({"strategy": "a", "users": [{"user_id": "u"}], "user_id": "u"}, "users", "inside of users"),
        ({"strategy": "a", "user_id": "u", "history": [{}]}, "history.0.item_id", "is missing"),
        ({"strategy": "a", "user_id": "u", "history": ["i1"]}, "history.0", "'i1' must be a JSON object"),
        (
            {"strategy": "a", "user_id": "u", "history": [{"item_id": "i", "event": "Promotion Viewed"}]},
            "history.0.event",
            "'Promotion Viewed' must be one of",
        ),
        (
            {"strategy": "a", "user_id": "u", "history": [{"item_id": "i", "timestamp": "2026-05-01"}]},
            "history.0.timestamp",
            "'2026-05-01' must be ISO 8601 with a time zone",
        ),
        (
            {
                "strategy": "a",
                "user_id": "u",
                "history": [{"item_id": "i", "timestamp": "2026-05-01T00:00:00Z"}, {"item_id": "j"}],
            },
            "history",
            "for all entries or for none",
        ),
    ],
)
def test_what_is_not_right_is_refused_by_field_value_and_rule(ask, body, field, words):
    response = ask(body)
    answer = response.json()
    assert (response.status_code, answer["code"], answer["field"]) == (400, "invalid_input", field)
    assert words in answer["message"]
    assert not InboxBody.objects.exists()


def test_a_body_that_is_too_large_is_refused(ask):
    assert ask(b" " * 1_000_001).status_code == 413


def test_an_experiment_that_does_not_exist_is_not_found(ask):
    response = ask({"experiment": "none", "user_id": "u"})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_experiment")


def test_a_list_that_cannot_be_logged_is_not_answered(ask, knn, monkeypatch):
    def locked(_events):
        raise OperationalError("database is locked")

    monkeypatch.setattr(record, "ingest", locked)
    response = ask({"strategy": knn, "user_id": "u1"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "items" not in response.json()


def test_a_database_that_is_away_is_said(ask, monkeypatch):
    def away(*_args, **_kwargs):
        raise OperationalError("no connection")

    monkeypatch.setattr(recommendations, "find_api_key", away)
    monkeypatch.setattr(record, "ingest", away)
    assert ask({"strategy": "item-knn", "user_id": "u1"}).status_code == 503


def test_the_operation_is_documented(client, knn):
    client.force_login(User.objects.create_user("ann", role="viewer"))
    document = client.get("/api/v1/openapi.json").json()
    operation = document["paths"][URL]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"experiment", "strategy", "users", "history", "k"} <= set(schema["properties"])
    assert "$ref" not in json.dumps(schema)
    assert set(operation["responses"]) == {"200", "400", "404", "413", "503"}


def test_metrics_count_what_was_served(client, ask, knn):
    def count(name: str) -> float:
        key = create_api_key(name="prometheus", scope=Scope.READ)
        text = client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).content.decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    names = (
        'winnow_recommendation_requests_total{status="200"}',
        'winnow_recommendation_lists_total{source="strategy"}',
        "winnow_recommendation_unknown_items_total",
        "winnow_recommendation_doubled_acts_total",
        "winnow_recommendation_unknown_users_total",
        "winnow_recommendation_seconds_count",
    )
    before = [count(name) for name in names]
    act = {"item_id": "i03", "timestamp": "2026-05-01T00:00:00Z"}
    ask({"strategy": knn, "user_id": "u", "history": [act, act, act | {"item_id": "nowhere"}]})
    ask({"strategy": knn, "user_id": "u"})
    assert [now - then for now, then in zip(map(count, names), before, strict=True)] == [2, 2, 1, 1, 1, 2]


def test_metrics_are_for_keys_that_read_and_for_people(client):
    assert client.get("/metrics").status_code == 401
    for scope in (Scope.RECOMMEND, Scope.WRITE_EVENTS):
        key = create_api_key(name="x", scope=scope)
        assert client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    client.force_login(User.objects.create_user("ann", role="viewer"))
    assert client.get("/metrics").status_code == 200
    assert client.post("/metrics").status_code == 405
