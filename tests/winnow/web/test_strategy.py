"""The list of strategies and the page of one: training from the form, versions, going back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.utils.html import strip_tags

from recommenders.models import Strategy
from recommenders.offline.evaluation import evaluate
from recommenders.registry import BUILTIN, strategy_class
from recommenders.services import artefact_root, record_evaluation, register_trained
from recommenders.testing import tastes
from recommenders.training import train
from winnow.accounts.models import User
from winnow.catalog.interactions import Loaded
from winnow.celery import app
from winnow.jobs.models import Job, Kind, State
from winnow.web import strategy_words

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORM = {"source": "lake", "seed": "3", "seconds": "60"}
KNN = FORM | {
    f"config-{name}": value
    for name, value in (
        ("neighbours", "50"),
        ("shrinkage", "5"),
        ("tilt", "0.5"),
        ("decay", "0.6"),
        ("repeats", "on"),
    )
}


@pytest.fixture
def engineer(client, monkeypatch, settings, tmp_path):
    settings.HOME = tmp_path
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    client.force_login(User.objects.create_user("eva", role="engineer"))
    return client


def text(response) -> str:
    return unescape(re.sub(r"\s+", " ", strip_tags(response.content.decode())))


def add_version(loaded: Loaded | None = None, **config: object) -> str:
    notes = loaded.record if loaded else None
    version, manifest = train("item-knn", tastes(users=60), artefact_root(), config=config, seed=2, notes=notes)
    register_trained(version, manifest, created_by="eva")
    return version


def test_a_new_installation_lists_every_strategy_and_says_what_to_do_next(engineer):
    page = text(engineer.get("/strategies"))
    assert "No strategy is trained yet." in page
    assert "winnow train item-knn" in page
    for key in BUILTIN:
        assert key in page


def test_the_list_names_the_current_version_and_the_figure_of_the_newest_comparison(engineer):
    version = add_version()
    report = evaluate(["random"], tastes(users=60), k=5)
    record_evaluation(report, data="lake@1", keys=["random"])
    page = text(engineer.get("/strategies"))
    assert version in page
    assert "NDCG@5" in page
    assert f"{report.strategy('item-knn').figure('ndcg').value:.4f}" in page
    assert "not in it" in page


@pytest.mark.parametrize("key", BUILTIN)
def test_every_installed_strategy_has_a_page_with_its_configuration(engineer, key):
    page = engineer.get(f"/strategies/{key}")
    assert page.status_code == 200
    assert "There is no version yet." in text(page)


def test_the_form_opens_a_training_with_what_was_filled_in(engineer):
    assert engineer.post("/strategies/item-knn/train", KNN).status_code == 302
    job = Job.objects.get()
    assert (job.kind, job.subject, job.requested_by) == (Kind.TRAIN, "item-knn", "eva")
    assert job.parameters["config"] == {
        "neighbours": 50,
        "shrinkage": 5.0,
        "tilt": 0.5,
        "decay": 0.6,
        "repeats": True,
    }
    assert (job.parameters["data"], job.parameters["seed"], job.parameters["budget"]["seconds"]) == ("lake", 3, 60)
    assert "Waiting for a worker" in text(engineer.get("/strategies/item-knn"))


def test_an_empty_field_that_may_be_none_is_none(engineer):
    engineer.post("/strategies/recent-popularity/train", FORM | {"config-half_life_days": ""})
    assert Job.objects.get().parameters["config"] == {"half_life_days": None}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"config-tilt": "2"}, "config-tilt", "tilt: 2 must be 0 to 1"),
        ({"config-neighbours": "many"}, "config-neighbours", "whole number"),
        ({"source": "/etc/passwd"}, "source", "not one of the available choices"),
        ({"seconds": "0"}, "seconds", "greater than or equal to 1"),
        ({"seed": "-1"}, "seed", "greater than or equal to 0"),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_is_lost(engineer, change, field, words):
    response = engineer.post("/strategies/item-knn/train", KNN | change)
    assert response.status_code == 422
    found = re.search(rf'id="id_{field}_error">([^<]*)<', response.content.decode())
    assert found is not None
    assert words in unescape(found[1])
    assert 'value="0.6"' in response.content.decode()
    assert not Job.objects.exists()


def test_a_training_is_polled_until_its_version_is_there(engineer):
    engineer.post("/strategies/item-knn/train", KNN)
    Job.objects.update(state=State.RUNNING, done=400, total=1000, step="similar items")
    polled = engineer.get("/strategies/item-knn/training", headers=HTMX)
    assert (polled.status_code, "40 %" in text(polled), "similar items" in text(polled)) == (200, True, True)
    version = add_version()
    Job.objects.update(state=State.DONE)
    ended = engineer.get("/strategies/item-knn/training", headers=HTMX)
    assert ended.status_code == 286
    assert version in text(ended)


def test_a_version_says_where_it_came_from_and_what_its_files_are(engineer):
    version = add_version(neighbours=7)
    page = text(engineer.get("/strategies/item-knn"))
    manifest = Strategy.objects.get().current.manifest
    for words in (version, "eva", manifest["data"][:12], "seed 2", *manifest["files"].values(), "60 users", "current"):
        assert words in page, words
    (artefact_root() / "item-knn" / version / "state.npz").unlink()
    assert "missing on this machine" in text(engineer.get("/strategies/item-knn"))


def test_a_version_says_what_it_learnt_from_and_that_it_was_simulated(engineer):
    add_version(Loaded(data=tastes(users=60), name="lake@7"))
    page = text(engineer.get("/strategies/item-knn"))
    assert "This platform's events, version 7 of the lake" in page
    assert "SIMULATED" not in page
    add_version(Loaded(data=tastes(users=60), name="complete-journey", simulated=True), neighbours=9)
    assert "a year of a grocer's sales SIMULATED" in text(engineer.get("/strategies/item-knn"))


def test_an_engineer_goes_back_to_an_older_version_and_a_viewer_cannot(engineer):
    first, second = add_version(), add_version(neighbours=5)
    row = Strategy.objects.get()
    assert row.current.version == first
    said = text(engineer.post("/strategies/item-knn/current", {"version": second}, follow=True))
    assert f"{second} is the current version now." in said
    engineer.post("/strategies/item-knn/current", {"version": first})
    row.refresh_from_db()
    assert row.current.version == first
    assert "has no version" in text(engineer.post("/strategies/item-knn/current", {"version": "x"}, follow=True))
    engineer.force_login(User.objects.create_user("vic", role="viewer"))
    page = text(engineer.get("/strategies/item-knn"))
    assert "Make current" not in page
    assert "Configuration tilt" not in page
    assert engineer.post("/strategies/item-knn/current", {"version": second}).status_code == 403


def test_an_unknown_strategy_is_a_page_of_ours(engineer):
    assert engineer.get("/strategies/nope").status_code == 404
    assert engineer.post("/strategies/nope/train", FORM).status_code == 404


def test_what_comes_with_winnow_can_be_translated():
    for key in BUILTIN:
        kind = strategy_class(key)
        assert {kind.name, kind.description} - {""} <= set(strategy_words.BUILTIN), key
