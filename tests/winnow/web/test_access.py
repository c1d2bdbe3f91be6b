"""Who may open what: every address for everybody."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from django.urls import path

from tests.winnow.web.reports import make_experiment
from winnow import urls as product
from winnow.accounts.models import User
from winnow.accounts.roles import Role
from winnow.api.tracking import CALL_OF_ADDRESS
from winnow.celery import app
from winnow.checks import addresses
from winnow.jobs.models import Job, Kind

pytestmark = pytest.mark.django_db

WHO = ("anonymous", *Role.values)
TO_LOGIN = 302
JOB = "00000000-0000-4000-8000-000000000000"

# address → (method, path, status for anonymous, viewer, product manager, engineer, admin)
EVERYBODY = {
    "/healthz": ("GET", "/healthz", (200,) * 5),
    "/login": ("GET", "/login", (200, 302, 302, 302, 302)),  # who is in already goes to the experiments
    "/login/link/<str:token>": ("GET", "/login/link/x", (200,) * 5),
    "/logout": ("POST", "/logout", (302,) * 5),
    "/language": ("POST", "/language", (302,) * 5),
    **{f"/v1/{name}": ("POST", f"/v1/{name}", (400,) * 5) for name in CALL_OF_ADDRESS},  # a key, not a person
}
READERS = {
    "/": ("GET", "/", (TO_LOGIN, 200, 200, 200, 200)),
    "/events/live": ("GET", "/events/live", (TO_LOGIN, 200, 200, 200, 200)),
    "/events/refused": ("GET", "/events/refused", (TO_LOGIN, 200, 200, 200, 200)),
    "/events/vocabulary": ("GET", "/events/vocabulary", (TO_LOGIN, 200, 200, 200, 200)),
    "/strategies": ("GET", "/strategies", (TO_LOGIN, 200, 200, 200, 200)),
    "/profiles": ("GET", "/profiles", (TO_LOGIN, 200, 200, 200, 200)),
    "/profiles/item": ("GET", "/profiles/item?id=x", (TO_LOGIN, 404, 404, 404, 404)),
    "/api/v1/profiles/item": ("GET", "/api/v1/profiles/item?id=x", (401, 404, 404, 404, 404)),
    "/experiments/<slug:key>": ("GET", "/experiments/exp", (TO_LOGIN, 200, 200, 200, 200)),
    "/experiments/<slug:key>/job": ("GET", "/experiments/exp/job", (TO_LOGIN, 302, 302, 302, 302)),
    "/api/v1/": ("GET", "/api/v1/", (TO_LOGIN, 404, 404, 404, 404)),
    "/api/v1/docs": ("GET", "/api/v1/docs", (TO_LOGIN, 200, 200, 200, 200)),
    "/api/v1/openapi.json": ("GET", "/api/v1/openapi.json", (TO_LOGIN, 200, 200, 200, 200)),
    "/api/v1/experiments": ("GET", "/api/v1/experiments", (401, 200, 200, 200, 200)),
    "/api/v1/experiments/<key>/report": ("GET", "/api/v1/experiments/exp/report", (401, 404, 404, 404, 404)),
    "/metrics": ("GET", "/metrics", (401, 200, 200, 200, 200)),
    "/api/v1/plan": ("GET", "/api/v1/plan?metric=none", (401, 400, 400, 400, 400)),
    "/api/v1/jobs/<job_id>": ("GET", f"/api/v1/jobs/{JOB}", (401, 200, 200, 200, 200)),
}
STRATEGIES = {
    "/strategies/<slug:key>": ("GET", "/strategies/random", (TO_LOGIN, 200, 200, 200, 200)),
    "/strategies/<slug:key>/training": ("GET", "/strategies/random/training", (TO_LOGIN, 302, 302, 302, 302)),
    "/strategies/<slug:key>/train": ("POST", "/strategies/random/train", (TO_LOGIN, 403, 403, 422, 422)),
    "/strategies/<slug:key>/current": ("POST", "/strategies/random/current", (TO_LOGIN, 403, 403, 302, 302)),
    "/comparisons": ("GET", "/comparisons", (TO_LOGIN, 200, 200, 200, 200)),
    "/comparisons/jobs": ("GET", "/comparisons/jobs", (TO_LOGIN, 302, 302, 302, 302)),
    "/comparisons/new": ("POST", "/comparisons/new", (TO_LOGIN, 403, 403, 422, 422)),
    "/comparisons/<int:pk>": ("GET", "/comparisons/1", (TO_LOGIN, 404, 404, 404, 404)),
    "/api/v1/strategies": ("GET", "/api/v1/strategies", (401, 200, 200, 200, 200)),
    "/api/v1/strategies/<key>/trainings": ("POST", "/api/v1/strategies/random/trainings", (401, 401, 401, 422, 422)),
    "/api/v1/strategies/<key>/current": ("POST", "/api/v1/strategies/random/current", (401, 401, 401, 422, 422)),
    "/api/v1/strategies/<key>/versions/<version>/manifest": (
        "GET",
        "/api/v1/strategies/random/versions/x/manifest",
        (401, 404, 404, 404, 404),
    ),
    "/api/v1/evaluations": ("GET", "/api/v1/evaluations", (401, 200, 200, 200, 200)),
    "/api/v1/evaluations/<pk>": ("GET", "/api/v1/evaluations/1", (401, 404, 404, 404, 404)),
}
RUNNERS = {
    "/profiles/refresh": ("POST", "/profiles/refresh", (TO_LOGIN, 403, 302, 302, 302)),
    "/profiles/user": ("GET", "/profiles/user?id=x", (TO_LOGIN, 403, 404, 404, 404)),
    "/api/v1/profiles/user": ("GET", "/api/v1/profiles/user?id=x", (401, 401, 404, 404, 404)),
    "/api/v1/recommendations": ("POST", "/api/v1/recommendations", (401, 401, 400, 400, 400)),
    "/experiments/<slug:key>/refresh": ("POST", "/experiments/exp/refresh", (TO_LOGIN, 403, 302, 302, 302)),
    "/experiments/<slug:key>/start": ("POST", "/experiments/exp/start", (TO_LOGIN, 403, 302, 302, 302)),
    "/experiments/<slug:key>/stop": ("POST", "/experiments/exp/stop", (TO_LOGIN, 403, 302, 302, 302)),
    "/experiments/<slug:key>/decide": ("POST", "/experiments/exp/decide", (TO_LOGIN, 403, 422, 422, 422)),
    "/api/v1/experiments/<key>/evaluations": (
        "POST",
        "/api/v1/experiments/exp/evaluations",
        (401, 401, 202, 202, 202),
    ),
}
MATRIX = EVERYBODY | READERS | STRATEGIES | RUNNERS


def test_the_table_names_every_address_there_is():
    assert {address for address, _ in addresses()} == set(MATRIX)


@pytest.fixture
def visitor(monkeypatch):
    """A browser of somebody with this role."""
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    make_experiment("exp")
    Job.objects.create(pk=JOB, kind=Kind.EVALUATE, subject="exp", state="done")

    def open_browser(who: str) -> Client:
        client = Client()
        if who != "anonymous":
            client.force_login(User.objects.create_user(who, role=who))
        return client

    return open_browser


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("address", MATRIX)
def test_each_address_lets_in_whom_it_should(visitor, address, who):
    method, url, expected = MATRIX[address]
    response = visitor(who).generic(method, url)
    assert response.status_code == expected[WHO.index(who)]
    if expected[WHO.index(who)] == TO_LOGIN and who == "anonymous" and address in READERS:
        assert response.headers["Location"].startswith("/login?next=/")


@pytest.mark.parametrize("address", [address for address, row in MATRIX.items() if row[0] == "POST"])
def test_what_changes_something_cannot_be_done_by_following_a_link(visitor, address):
    assert visitor("admin").get(MATRIX[address][1]).status_code in (302, 405)
    if address != "/language":
        assert visitor_status(address) == 405


def visitor_status(address: str) -> int:
    client = Client()
    client.force_login(User.objects.create_user("another", role="admin"))
    return client.get(MATRIX[address][1]).status_code


@pytest.mark.parametrize("address", [address for address, row in RUNNERS.items() if not address.startswith("/api")])
def test_a_post_needs_the_csrf_token(visitor, address):
    visitor("anonymous")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ann", role="admin"))
    response = client.post(MATRIX[address][1])
    assert response.status_code == 403
    assert b"The form was not accepted" in response.content


def test_a_person_who_was_let_go_is_out_at_once(client):
    user = User.objects.create_user("ann", role="admin")
    client.force_login(user)
    assert client.get("/").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/").status_code == 302


urlpatterns = [path("forgotten", lambda request: None, name="forgotten"), *product.urlpatterns]


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_that_says_nothing_is_closed_even_to_an_administrator(client):
    client.force_login(User.objects.create_user("ann", role="admin"))
    assert client.get("/forgotten").status_code == 403


def test_a_fragment_sends_the_whole_page_to_the_login(client):
    make_experiment("exp")
    page = {"HX-Request": "true", "HX-Current-URL": "http://testserver/experiments/exp"}
    response = client.get("/experiments/exp/job", headers=page)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/login?next=/experiments/exp"
