"""The pages of profiles: what they show, and to whom."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.contracts import PlannedArm, Role
from experiments.services import lifecycle
from experiments.services.lifecycle import Draft
from winnow.accounts.models import User
from winnow.catalog.histories import forget
from winnow.celery import app
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.jobs.models import Job, Kind
from winnow.jobs.profiles import compute_newest

pytestmark = pytest.mark.django_db(transaction=True)

AT = "2026-05-04T11:00:00Z"
BOUGHT = {"item_id": "b/1 &", "value": 1250, "currency": "CNY"}


@pytest.fixture(autouse=True)
def home(settings, tmp_path, monkeypatch):
    settings.HOME, settings.LAKE = tmp_path, tmp_path / "lake"
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    forget()
    yield
    forget()


@pytest.fixture
def computed():
    seen = {"item_id": "b/1 &", "category": "<books>", "name": "A book", "price": 12.5}
    ingest(
        [
            {"event": "Product Viewed", "messageId": "1", "userId": "u+1", "timestamp": AT, "properties": seen},
            {"event": "Order Completed", "messageId": "2", "userId": "u+1", "timestamp": AT, "properties": BOUGHT},
        ]
    )
    compact()
    return compute_newest()


def browser(role: str = "product_manager") -> Client:
    client = Client()
    client.force_login(User.objects.create_user(role, role=role))
    return client


def test_without_profiles_the_page_says_when_there_will_be_some():
    assert "There are no profiles yet" in browser().get("/profiles").content.decode()


def test_the_overview_shows_the_version_the_segments_and_the_figures(computed):
    page = browser("viewer").get("/profiles").content.decode()
    for text in ("Lake version", "profile.price_sensitivity", "&lt;books&gt;", "Spend per active month", "CNY 12.50"):
        assert text in page
    assert "Compute now" not in page  # viewers only look


def test_a_user_is_found_by_an_id_with_any_characters_and_acts_link_to_items(computed):
    client = browser()
    page = client.get("/profiles/user", {"id": "u+1"}).content.decode()
    assert "CNY 12.50" in page
    assert "/profiles/item?id=b%2F1%20%26" in page
    assert "A book" in client.get("/profiles/item", {"id": "b/1 &"}).content.decode()


def test_profiles_among_simulated_users_are_labelled(computed):
    client = browser()
    pages = (("/profiles", {}), ("/profiles/user", {"id": "u+1"}), ("/profiles/item", {"id": "b/1 &"}))
    assert not any("SIMULATED" in client.get(*page).content.decode() for page in pages)
    arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
    lifecycle.create(Draft(key="exp", name="exp", arms=arms, metrics=(("ctr", Role.PRIMARY),), simulated=True))
    assert all("SIMULATED" in client.get(*page).content.decode() for page in pages)


def test_an_id_that_nobody_has_is_answered_with_404_and_another_search(computed):
    answer = browser().get("/profiles/user", {"id": "<x>"})
    assert answer.status_code == 404
    assert "&lt;x&gt;" in answer.content.decode()
    assert "Show user" in answer.content.decode()


def test_compute_now_asks_for_one_job():
    client = browser()
    for _ in range(2):
        assert client.post("/profiles/refresh").status_code == 302
    job = Job.objects.get(kind=Kind.PROFILE)
    assert job.requested_by == "product_manager"


def test_programs_get_the_profile_with_its_history_and_version(computed):
    answer = browser().get("/api/v1/profiles/user", {"id": "u+1"}).json()
    assert answer["currency"] == "CNY"
    assert answer["profile"]["spend"] == 1250
    assert answer["version"]["lake_version"] == computed.lake_version
    assert [act["kind"] for act in answer["history"]] == [0, 3]
    assert browser("engineer").get("/api/v1/profiles/item", {"id": "b/1 &"}).json()["profile"]["price"] == 12.5
