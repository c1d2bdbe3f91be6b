"""The JSON API: who may do what, and what it answers."""

from __future__ import annotations

import json

import pytest

from experiments.contracts import PlannedArm, Role, Source
from experiments.services import lifecycle
from experiments.services.analysis import analyze
from experiments.services.lifecycle import Draft
from tests.experiments.queries.events_table import START, DuckDBWarehouse
from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope, User
from winnow.celery import app
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment():
    arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
    lifecycle.create(Draft(key="exp", name="Home banner", arms=arms, metrics=(("ctr", Role.PRIMARY),)))
    return lifecycle.start("exp", at=START)


@pytest.fixture
def with_key(client):
    header = {"Authorization": f"Bearer {create_api_key(name='notebook', scope=Scope.READ)}"}
    return lambda path: client.get(f"/api/v1{path}", headers=header)


@pytest.fixture
def person(client):
    def log_in(role: str):
        client.force_login(User.objects.create_user(role, role=role))
        return client

    return log_in


def test_the_report_is_the_one_of_the_page(experiment, with_key):
    analyze(experiment, DuckDBWarehouse(), source=Source(name="lake", lake_version=3, code_version="1"))
    report = with_key("/experiments/exp/report").json()
    assert [arm["numerator"] for arm in report["metrics"][0]["arms"]] == [1, 2]
    assert report["source"]["lake_version"] == 3


def test_without_a_result_the_answer_says_what_to_do(experiment, with_key):
    response = with_key("/experiments/exp/report")
    assert response.status_code == 404
    assert "POST /api/v1/experiments/exp/evaluations" in response.json()["message"]


def test_an_unknown_experiment_is_named(with_key):
    response = with_key("/experiments/nope/report")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_experiment")


def test_the_list_has_every_experiment(experiment, with_key):
    (row,) = with_key("/experiments").json()
    assert (row["key"], row["state"], row["arm_count"]) == ("exp", "running", 2)


@pytest.mark.parametrize(
    "path",
    ["/experiments", "/experiments/exp/report", "/plan?metric=ctr", f"/jobs/{'0' * 8}-0000-4000-8000-{'0' * 12}"],
)
def test_reading_needs_a_person_or_a_key_for_reading(client, path):
    assert client.get(f"/api/v1{path}").status_code == 401
    wrong = create_api_key(name="shop", scope=Scope.WRITE_EVENTS)
    assert client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 401), ("product_manager", 202), ("engineer", 202), ("admin", 202)]
)
def test_an_evaluation_is_for_those_who_run_experiments(experiment, person, monkeypatch, role, status):
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    response = person(role).post("/api/v1/experiments/exp/evaluations")
    assert response.status_code == status
    assert Job.objects.count() == (status == 202)


def test_asking_twice_gives_the_same_job(experiment, person, monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    client = person("engineer")
    first, second = (client.post("/api/v1/experiments/exp/evaluations").json() for _ in range(2))
    assert first["id"] == second["id"]
    assert client.get(f"/api/v1/jobs/{first['id']}").json()["state"] == "queued"


def test_a_draft_cannot_be_evaluated(person):
    arms = (PlannedArm(key="a"), PlannedArm(key="b"))
    lifecycle.create(Draft(key="draft", name="Draft", arms=arms, metrics=(("ctr", Role.PRIMARY),)))
    response = person("engineer").post("/api/v1/experiments/draft/evaluations")
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")


def test_a_post_of_a_person_needs_the_csrf_token(experiment):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ann", role="engineer"))
    assert client.post("/api/v1/experiments/exp/evaluations").status_code == 403


@pytest.fixture
def recent_events(settings, tmp_path):
    """600 users, 60 an hour, of whom every fourth clicks."""
    settings.LAKE = tmp_path / "lake"
    ingest(
        {
            "event": name,
            "messageId": f"{name}{user}",
            "userId": f"u{user}",
            "timestamp": f"2026-05-04T{user % 10:02}:00:00Z",
        }
        for user in range(600)
        for name in ("Promotion Viewed", "Promotion Clicked")[: 2 if user % 4 == 0 else 1]
    )
    compact()


def test_a_plan_comes_from_the_lake_as_it_is(recent_events, with_key):
    response = with_key("/plan?metric=ctr&rel_effect=0.2&days=7&weights=2,1,1&stopping=once")
    assert response.status_code == 200
    found = response.json()
    assert (found["lake_version"], found["baseline"]["mean"], found["daily_new"]) == (1, 0.25, [600])
    assert found["design"]["weights"] == [2, 1, 1]
    assert found["target"]["effect"] == 0.05
    assert found["target"]["arms"][0] == pytest.approx(2 * found["target"]["arms"][1], abs=2)
    assert (found["window"]["day"], found["window"]["units"]) == (7, 4_200)
    assert with_key("/plan?metric=ctr&effect=0.05&weights=2,1,1&stopping=once").json()["target"] == found["target"]


def test_a_plan_needs_no_effect_and_what_it_cannot_answer_is_null(recent_events, with_key):
    found = with_key("/plan?metric=satisfaction&days=7").json()
    assert (found["target"], found["baseline"]["mean"], found["window"]["effect"]) == (None, None, None)
    assert found["window"]["reasons"] == ["NO_DENOMINATOR"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("metric=crt", 400, "did you mean 'ctr'"),
        ("metric=ctr&days=900", 400, "days: 900 must be 1 to 365"),
        ("metric=ctr&recent_days=900", 400, "recent_days: 900 must be 1 to 365"),
        ("metric=ctr&covariate_days=900", 400, "covariate_days: 900 must be 0 to 365"),
        ("metric=ctr&arms=50", 400, "arms: 50 must be 2 to 10"),
        ("metric=ctr&weights=1,a", 400, "weights: “1,a” must be"),
        ("metric=ctr&weights=1,1,1&arms=2", 400, "weights: “1,1,1” must be one number for each of 2 arms"),
        ("metric=ctr&rel_effect=0", 400, "rel_effect: 0.0 must be a number other than 0"),
        ("metric=ctr&rel_effect=nan", 400, "rel_effect: nan must be"),
        ("metric=ctr&alpha=nan", 400, "alpha: nan must be above 0"),
        ("metric=ctr&power=1", 400, "power: 1 must be above alpha"),
        ("metric=ctr&stopping=never", 422, "stopping"),
        ("", 422, "metric"),
    ],
)
def test_a_plan_that_cannot_be_made_is_a_problem_with_the_rule(recent_events, with_key, query, status, said):
    response = with_key(f"/plan?{query}")
    assert response.status_code == status
    assert said in json.dumps(response.json(), ensure_ascii=False)


def test_without_events_there_is_no_plan(settings, tmp_path, with_key):
    settings.LAKE = tmp_path / "lake"
    response = with_key("/plan?metric=ctr")
    assert (response.status_code, response.json()["code"]) == (404, "no_events")
    assert "send some" in response.json()["message"]


def test_the_documentation_is_for_people_and_needs_no_other_server(client, person):
    assert client.get("/api/v1/docs").status_code == 302
    page = person("viewer").get("/api/v1/docs")
    assert page.status_code == 200
    assert b"//cdn" not in page.content
    assert b"https://" not in page.content
    assert client.get("/api/v1/openapi.json").json()["info"]["title"] == "Winnow"
