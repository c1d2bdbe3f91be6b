"""Getting in: by password, by a link that works once, and not by guessing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from winnow.accounts.keys import create_login_link
from winnow.accounts.models import LoginLink, User

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def ann():
    return User.objects.create_user("ann", password=PASSWORD, role="viewer")


def logged_in(client) -> bool:
    return "_auth_user_id" in client.session


def test_a_link_is_not_used_up_by_looking_at_it(client, ann):
    address = f"/login/link/{create_login_link(ann)}"
    for _ in range(2):
        assert b"This link logs you in once" in client.get(address).content
    assert not logged_in(client)
    assert client.post(address).headers["Location"] == "/"
    assert logged_in(client)


def test_a_link_works_once(client, ann):
    address = f"/login/link/{create_login_link(ann)}"
    client.post(address)
    client.post("/logout")
    response = client.post(address)
    assert response.status_code == 410
    assert b"does not work any more" in response.content
    assert not logged_in(client)


def test_a_link_expires(client, ann):
    address = f"/login/link/{create_login_link(ann)}"
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.post(address).status_code == 410
    assert not logged_in(client)


def test_a_link_of_somebody_who_was_let_go_does_not_work(client, ann):
    address = f"/login/link/{create_login_link(ann)}"
    User.objects.update(is_active=False)
    assert client.post(address).status_code == 410
    assert not logged_in(client)


def test_a_token_is_kept_as_a_hash(ann):
    token = create_login_link(ann)
    assert token not in LoginLink.objects.get().digest


def test_a_password_lets_in_and_back_to_the_page(client, ann):
    response = client.post("/login?next=/strategies", {"username": "ann", "password": PASSWORD})
    assert response.headers["Location"] == "/strategies"


def test_the_way_back_never_leads_elsewhere(client, ann):
    response = client.post("/login?next=https://evil.example/", {"username": "ann", "password": PASSWORD})
    assert response.headers["Location"] == "/"


def test_guessing_is_stopped_with_a_sentence(client, ann):
    for _ in range(10):
        response = client.post("/login", {"username": "ann", "password": "guess"})
    assert response.status_code == 429
    assert b"Too many attempts" in response.content
    assert client.post("/login", {"username": "ann", "password": PASSWORD}).status_code == 429
    assert not logged_in(client)
