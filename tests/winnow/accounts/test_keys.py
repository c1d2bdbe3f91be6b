"""Keys: what they may do, where from, how often, and how they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from winnow.accounts import rate_limit
from winnow.accounts.keys import (
    BadKey,
    create_api_key,
    find_api_key,
    find_by_prefix,
    origin_is_known,
    revoke_api_key,
    rotate_api_key,
)
from winnow.accounts.models import ApiKey, KeyKind, Scope
from winnow.cli import main

pytestmark = pytest.mark.django_db

SHOP = "https://shop.example"


def client_key(**changes: object) -> str:
    return create_api_key(
        **{"name": "pages", "scope": Scope.WRITE_EVENTS, "kind": KeyKind.CLIENT, "origins": [SHOP], **changes}
    )


def winnow(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["keys", *words])
    return result.exit_code, result.output


def test_a_server_key_is_kept_as_a_hash_and_a_client_key_as_it_is():
    secret, public = create_api_key(name="shop", scope=Scope.READ), client_key()
    server, client = ApiKey.objects.order_by("id")
    assert (secret[:3], server.client_key) == ("wn_", "")
    assert secret not in str(vars(server))
    assert (public[:3], client.client_key) == ("wc_", public)


def test_a_key_may_have_several_scopes():
    key = create_api_key(name="shop", scope=Scope.WRITE_EVENTS, more=[Scope.READ])
    assert find_api_key(key, scope=Scope.WRITE_EVENTS)
    assert find_api_key(key, scope=Scope.READ)
    assert find_api_key(key, scope=Scope.RECOMMEND) is None


@pytest.mark.parametrize("scope", [Scope.READ, Scope.RECOMMEND])
def test_a_client_key_can_neither_read_nor_recommend(scope):
    with pytest.raises(BadKey, match=f"scopes: {scope}; a client key is public"):
        client_key(scope=scope)
    with pytest.raises(IntegrityError):
        ApiKey.objects.create(name="x", kind=KeyKind.CLIENT, scopes=scope, digest="d", prefix="p")


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "*", "https://*.example", "null"])
def test_an_origin_is_a_scheme_and_a_host(origin):
    with pytest.raises(BadKey, match="origins: "):
        client_key(origins=[origin])


def test_a_server_key_has_no_origins():
    with pytest.raises(BadKey, match="only a client key may stand in web pages"):
        create_api_key(name="x", scope=Scope.READ, origins=[SHOP])


def test_the_use_of_a_key_is_noted_once_a_minute(django_assert_num_queries):
    key = create_api_key(name="shop", scope=Scope.READ)
    find_api_key(key, scope=Scope.READ)
    first = ApiKey.objects.get().last_used_at
    assert timezone.now() - first < timedelta(seconds=10)
    with django_assert_num_queries(1):
        find_api_key(key, scope=Scope.READ)
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    find_api_key(key, scope=Scope.READ)
    assert ApiKey.objects.get().last_used_at >= first


def test_a_database_that_is_busy_refuses_no_good_key(monkeypatch):
    key = create_api_key(name="shop", scope=Scope.READ)

    def locked(*_args: object, **_changes: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", locked)
    assert find_api_key(key, scope=Scope.READ)


def test_a_rotated_key_works_until_the_overlap_ends():
    old = client_key(per_second=7)
    new = rotate_api_key(ApiKey.objects.get(), overlap=timedelta(hours=1))
    assert find_api_key(old, scope=Scope.WRITE_EVENTS)
    successor = find_api_key(new, scope=Scope.WRITE_EVENTS)
    assert (successor.kind, successor.origins, successor.per_second) == (KeyKind.CLIENT, SHOP, 7)
    before = ApiKey.objects.get(successor=successor)
    before.revoked_at -= timedelta(hours=1)
    before.save()
    assert find_api_key(old, scope=Scope.WRITE_EVENTS) is None
    assert find_api_key(new, scope=Scope.WRITE_EVENTS)


def test_a_key_is_rotated_once():
    client_key()
    key = ApiKey.objects.get()
    rotate_api_key(key, overlap=timedelta(0))
    with pytest.raises(BadKey, match="is revoked already"):
        rotate_api_key(key, overlap=timedelta(0))


def test_origins_of_live_keys_only_are_known():
    key = client_key()
    assert origin_is_known(SHOP)
    assert not origin_is_known("https://shop.exampl")
    revoke_api_key(key)
    assert not origin_is_known(SHOP)


def test_a_bucket_fills_up_again_and_holds_two_seconds():
    key = ApiKey(pk=-1, per_second=2)
    assert [rate_limit.seconds_to_wait(key, now=0) for _ in range(4)] == [0, 0, 0, 0]
    assert rate_limit.seconds_to_wait(key, now=0) == pytest.approx(0.5)
    assert rate_limit.seconds_to_wait(key, now=0.25) == pytest.approx(0.25)
    assert rate_limit.seconds_to_wait(key, now=0.5) == 0
    assert [rate_limit.seconds_to_wait(key, now=1000) > 0 for _ in range(5)] == [False] * 4 + [True]


def test_a_key_without_a_limit_never_waits():
    key = ApiKey(pk=-2)
    assert {rate_limit.seconds_to_wait(key, now=0) for _ in range(1_000)} == {0}


def test_the_commands_make_list_rotate_and_revoke():
    words = ("--client", "--scope", "write_events", "--scope", "evaluate", "--origin", SHOP)
    _, public = winnow("create", "pages", *words)
    _, secret = winnow("create", "shop", "--scope", "read")
    status, listed = winnow("list")
    assert status == 0
    assert public.strip() in listed
    assert secret.strip() not in listed
    assert "evaluate write_events" in listed
    status, said = winnow("rotate", secret[:8], "--overlap-hours", "2")
    assert status == 0
    assert find_api_key(said.splitlines()[0], scope=Scope.READ)
    assert "works until" in winnow("list")[1]
    assert "is revoked" in winnow("revoke", public.strip())[1]
    assert "was revoked before" in winnow("revoke", public.strip())[1]
    assert find_api_key(public.strip(), scope=Scope.WRITE_EVENTS) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "x", "--client", "--scope", "read"), "a client key is public"),
        (("create", "x", "--scope", "read", "--per-second", "0"), "per_second: 0 must be 1 or more"),
        (("create", "x", "--client", "--scope", "evaluate", "--origin", "shop"), "origins: 'shop' must be a scheme"),
        (("revoke", "wn_nothing"), "key: 'wn_nothing' begins no key"),
        (("rotate", "wn"), "key: 'wn' begins no key"),
    ],
)
def test_a_command_says_what_is_wrong(words, said):
    status, output = winnow(*words)
    assert status == 1
    assert said in output


def test_two_keys_that_begin_alike_are_told_apart_by_nobody():
    for number in range(2):
        ApiKey.objects.create(name="x", scopes="read", digest=f"d{number}", prefix="wn_aaaaa")
    with pytest.raises(BadKey, match="begins 2 keys"):
        find_by_prefix("wn_aaaaa")
