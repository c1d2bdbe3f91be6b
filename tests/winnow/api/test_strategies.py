"""Strategies for programs: the list, training, the way back, and comparisons."""

from __future__ import annotations

import json

import pytest

from recommenders.models import Strategy
from recommenders.offline.evaluation import evaluate
from recommenders.offline.report import report_from_json, to_json
from recommenders.registry import BUILTIN
from recommenders.services import artefact_root, record_evaluation, register_trained
from recommenders.testing import tastes
from recommenders.training import train
from winnow.accounts.models import User
from winnow.celery import app
from winnow.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def engineer(client, monkeypatch, settings, tmp_path):
    settings.HOME = tmp_path
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    client.force_login(User.objects.create_user("eva", role="engineer"))
    return client


def post(client, path: str, **body: object):
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")


def add_version(**config: object) -> str:
    version, manifest = train("item-knn", tastes(users=60), artefact_root(), config=config)
    register_trained(version, manifest)
    return version


def test_the_list_has_every_strategy_with_its_configuration_and_versions(engineer):
    version = add_version()
    rows = {row["key"]: row for row in engineer.get("/api/v1/strategies").json()}
    assert set(BUILTIN) <= set(rows)
    knn = rows["item-knn"]
    assert (knn["current"], [one["version"] for one in knn["versions"]]) == (version, [version])
    assert knn["config"][0] == {
        "name": "neighbours",
        "entry": "integer",
        "optional": False,
        "default": 200,
        "explanation": "kept of each item",
    }
    manifest = engineer.get(f"/api/v1/strategies/item-knn/versions/{version}/manifest").json()
    assert (manifest["key"], manifest["seed"]) == ("item-knn", 0)


def test_a_training_is_a_job(engineer):
    response = post(engineer, "/strategies/item-knn/trainings", data="lake", config={"neighbours": 9}, seed=4)
    assert (response.status_code, response.json()["subject"]) == (202, "item-knn")
    assert Job.objects.get().parameters["config"] == {"neighbours": 9}


@pytest.mark.parametrize(
    ("key", "body", "status", "words"),
    [
        ("nope", {"data": "lake"}, 404, "there is no strategy 'nope'"),
        ("item-knn", {"data": "/etc/passwd"}, 400, "data: '/etc/passwd' must be one of"),
        ("item-knn", {"data": "lake", "config": {"neighbours": 0}}, 400, "neighbours: 0 must be at least 1"),
        ("item-knn", {"data": "lake", "config": {"x": 0}}, 400, "x: is no field"),
        ("item-knn", {"data": "lake", "seconds": 0}, 400, "seconds: 0 must be"),
        ("item-knn", {}, 422, "data"),
    ],
)
def test_a_training_that_makes_no_sense_is_refused_with_its_rule(engineer, key, body, status, words):
    response = post(engineer, f"/strategies/{key}/trainings", **body)
    assert response.status_code == status
    assert words in json.dumps(response.json())
    assert not Job.objects.exists()


def test_the_current_version_goes_forth_and_back(engineer):
    first, second = add_version(), add_version(neighbours=5)
    assert post(engineer, "/strategies/item-knn/current", version=second).json()["current"] == second
    assert post(engineer, "/strategies/item-knn/current", version=first).json()["current"] == first
    refused = post(engineer, "/strategies/item-knn/current", version="x")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_strategy")
    (artefact_root() / "item-knn" / second / "state.npz").write_bytes(b"")
    refused = post(engineer, "/strategies/item-knn/current", version=second)
    assert (refused.status_code, refused.json()["code"]) == (409, "broken_artefact")
    assert Strategy.objects.get().current.version == first


def test_a_comparison_is_a_job_and_then_a_report(engineer):
    response = post(engineer, "/evaluations", strategies=["ease"], data="lake", split="last-days:7")
    assert (response.status_code, response.json()["kind"]) == (202, "compare")
    report = evaluate(["random"], tastes(users=40), k=5)
    kept = record_evaluation(report, data="lake@1", keys=["random"])
    assert [row["id"] for row in engineer.get("/api/v1/evaluations").json()] == [kept.pk]
    found = engineer.get(f"/api/v1/evaluations/{kept.pk}").json()
    assert to_json(report_from_json(found)) == to_json(report)
    assert engineer.get("/api/v1/evaluations/0").status_code == 404


def test_a_comparison_that_makes_no_sense_is_refused_with_its_rule(engineer):
    response = post(engineer, "/evaluations", strategies=["ease"], data="lake", split="halves")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert "split: 'halves' must be" in response.json()["message"]
    assert post(engineer, "/evaluations", strategies=["nope"], data="lake").status_code == 404
