"""Segment's official clients against a live server, through everything that fails on the way: exactly once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from segment.analytics import request
from segment.analytics.client import Client

from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope
from winnow.events.compaction import compact
from winnow.events.warehouse import LakeWarehouse

from .faulty import BREAK, CUT, LOSE, REFUSE, faulty

pytestmark = [pytest.mark.django_db(transaction=True)]

EXPECTED = {
    "track": ("Promotion Clicked", "ann", "c1", {}),
    "identify": ("Identified", "ann", None, {"traits": {"tier": "gold"}}),
    "page": ("Page Viewed", "ann", None, {"name": "Home", "path": "/"}),
    "screen": ("Screen Viewed", "ann", None, {"name": "Cart"}),
    "group": ("Grouped", "ann", None, {"group_id": "g1", "traits": {"size": 3}}),
    "alias": ("Aliased", "ann", None, {"previous_id": "device-1"}),
}


@pytest.fixture
def key(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"
    return create_api_key(name="shop", scope=Scope.WRITE_EVENTS)


def in_lake() -> dict[str, tuple[object, ...]]:
    """Message id → what the lake says; fails where one is there twice."""
    compact()
    sql = "SELECT message_id, event, user_id, campaign_id, properties FROM events"
    rows = LakeWarehouse().query(sql, {})
    found = {str(row["message_id"]): row for row in rows}
    assert len(found) == len(rows)
    return {
        name.partition("-")[2]: (row["event"], row["user_id"], row["campaign_id"], json.loads(str(row["properties"])))
        for name, row in found.items()
    }


def send_with_python(url: str, key: str, *, packed: bool) -> list[object]:
    errors: list[object] = []
    client = Client(key, host=url, gzip=packed, upload_size=4, on_error=lambda *error: errors.append(error))
    who = {"user_id": "ann", "anonymous_id": "device-1"}
    client.track(**who, event="Promotion Clicked", properties={"campaign_id": "c1"}, message_id="py-track")
    client.identify(**who, traits={"tier": "gold"}, message_id="py-identify")
    client.page(**who, name="Home", properties={"path": "/"}, message_id="py-page")
    client.screen(**who, name="Cart", message_id="py-screen")
    client.group(**who, group_id="g1", traits={"size": 3}, message_id="py-group")
    client.alias("device-1", "ann", message_id="py-alias")
    client.flush()
    client.join()
    request._session.close()  # it would keep a thread of the server busy until the end
    return errors


def send_with_node(clients: Path, url: str, key: str) -> list[object]:
    script = Path(__file__).with_name("segment.cjs")
    done = subprocess.run(
        ["node", str(script), str(clients), url, key, "js"], stdout=subprocess.PIPE, text=True, check=True, timeout=40
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_python_client_every_call_arrives(live_server, key, packed):
    assert send_with_python(live_server.url, key, packed=packed) == []
    assert in_lake() == EXPECTED


@pytest.mark.slow
def test_python_client_retries_and_each_message_counts_once(live_server, key):
    with faulty(live_server.url, CUT, LOSE, REFUSE, BREAK) as proxy:
        assert send_with_python(proxy.url, key, packed=False) == []
    assert proxy.answered[:4] == [0, 502, 503, 500]
    assert in_lake() == EXPECTED


@pytest.mark.slow
def test_python_client_waits_as_long_as_a_limited_key_says(live_server, settings, tmp_path):
    settings.LAKE = tmp_path / "lake"
    key = create_api_key(name="slow", scope=Scope.WRITE_EVENTS, per_second=1)
    with faulty(live_server.url) as proxy:
        errors: list[object] = []
        client = Client(key, host=proxy.url, upload_size=1, on_error=lambda *error: errors.append(error))
        for number in range(4):
            client.track("ann", "Promotion Clicked", message_id=f"py-{number}")
        client.flush()
        client.join()
        request._session.close()
    assert errors == []
    assert 429 in proxy.answered
    assert set(in_lake()) == {"0", "1", "2", "3"}


@pytest.mark.node
def test_node_client_every_call_arrives(live_server, key, node_clients):
    assert send_with_node(node_clients, live_server.url, key) == []
    assert in_lake() == EXPECTED


@pytest.mark.node
def test_node_client_retries_and_each_message_counts_once(live_server, key, node_clients):
    with faulty(live_server.url, CUT, LOSE, REFUSE, BREAK) as proxy:
        assert send_with_node(node_clients, proxy.url, key) == []
    assert proxy.answered[:4] == [0, 502, 503, 500]
    assert in_lake() == EXPECTED
