"""The beacon on a page of another origin, in a real Chromium, under a policy that allows nothing else."""

from __future__ import annotations

import gzip
import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha384
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest
from django.db import OperationalError

from winnow.accounts.keys import create_api_key
from winnow.accounts.models import KeyKind, Scope
from winnow.events.models import InboxBody

SCRIPT = Path("platform/winnow/web/static/winnow/beacon.js").resolve()
LARGEST = 3_000  # bytes, packed


def integrity() -> str:
    return f"sha384-{b64encode(sha384(SCRIPT.read_bytes()).digest()).decode()}"


def page_of_shop(winnow: str, key: str) -> bytes:
    items = "".join(
        f'<li data-winnow-item="i{place}" data-winnow-position="{place}">item {place}</li>' for place in range(9)
    )
    return f"""<!doctype html><title>Shop</title><link rel="stylesheet" href="/shop.css">
    <ul data-winnow-ranking="r1" data-winnow-campaign="spring" data-winnow-experiment="e1" data-winnow-arm="treatment">
    {items}</ul>
    <script src="/beacon.js" integrity="{integrity()}" data-host="{winnow}" data-key="{key}" data-user="ann">
    </script>""".encode()


@pytest.fixture
def shop(live_server):
    """A shop of another origin: its address. Three items of its list fit on a screen of 600 pixels."""
    pages: dict[str, tuple[str, bytes]] = {
        "/shop.css": ("text/css", b"body, ul { margin: 0; padding: 0 } li { height: 200px; list-style: none }"),
        "/beacon.js": ("text/javascript", SCRIPT.read_bytes()),
        "/elsewhere": ("text/html", b"<title>Elsewhere</title>"),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = pages.get(self.path, ("text/plain", b""))
            policy = f"default-src 'none'; style-src 'self'; script-src 'self'; connect-src {live_server.url}"
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Content-Security-Policy", policy)):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    key = create_api_key(name="pages", scope=Scope.WRITE_EVENTS, kind=KeyKind.CLIENT, origins=[url])
    pages["/"] = ("text/html", page_of_shop(live_server.url, key))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


def bodies() -> list[bytes]:
    """What the inbox holds. The server of a test shares its database in memory, where a writer locks readers out."""
    deadline = time.monotonic() + 8
    while True:
        try:
            return [bytes(body.events) for body in InboxBody.objects.order_by("id")]
        except OperationalError:
            assert time.monotonic() < deadline, "the inbox stayed locked"
            time.sleep(0.02)


def arrived() -> list[dict[str, object]]:
    lines = b"".join(bodies()).splitlines()
    rows = {row["message_id"]: row for row in map(orjson.loads, lines)}  # as the lake counts: once each
    return list(rows.values())


def wait_for(page, count: Callable[[], int], least: int) -> None:
    deadline = time.monotonic() + 8
    while count() < least:
        assert time.monotonic() < deadline, [row["event"] for row in arrived()]
        page.wait_for_timeout(100)


def of(event: str) -> list[dict[str, object]]:
    return [row for row in arrived() if row["event"] == event]


def browse(browser, url: str):
    context = browser.new_context(viewport={"width": 800, "height": 600})
    page = context.new_page()
    page.goto(url)
    return context, page


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_only_what_was_in_view_for_a_second_was_seen(browser, shop):
    context, page = browse(browser, shop)
    page.wait_for_timeout(400)
    page.mouse.wheel(0, 800)  # items 0 to 3 were there for less than a second
    page.wait_for_timeout(1_400)
    page.evaluate("winnow.flush()")
    wait_for(page, lambda: len(of("Promotion Viewed")), 3)
    rows = sorted(of("Promotion Viewed"), key=lambda row: row["position"])
    assert [row["item_id"] for row in rows] == ["i4", "i5", "i6"]
    first = rows[0]
    assert [first[name] for name in ("ranking_id", "campaign_id", "experiment", "arm", "position", "user_id")] == [
        "r1", "spring", "e1", "treatment", 4, "ann",
    ]  # fmt: skip
    assert re.fullmatch("[0-9a-f]{32}", first["anonymous_id"])
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(1_300)
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(1_300)
    page.evaluate("winnow.flush()")
    page.wait_for_timeout(500)
    assert len(of("Promotion Viewed")) == len({row["item_id"] for row in of("Promotion Viewed")})
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_click_and_the_dwell_arrive_when_the_page_is_left(browser, shop):
    context, page = browse(browser, shop)
    page.wait_for_timeout(1_200)
    page.get_by_text("item 1", exact=True).click()
    page.goto(f"{shop}/elsewhere")
    wait_for(page, lambda: len(of("Recommendation Dwelt")), 1)
    (click,) = of("Promotion Clicked")
    assert (click["item_id"], click["position"], click["ranking_id"]) == ("i1", 1, "r1")
    seconds = orjson.loads(of("Recommendation Dwelt")[0]["properties"])["seconds"]
    assert 1 <= seconds < 10
    assert {row["item_id"] for row in of("Promotion Viewed")} == {"i0", "i1", "i2"}
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_what_happens_offline_comes_later_once(browser, shop):
    context, page = browse(browser, shop)
    context.set_offline(True)
    page.get_by_text("item 2", exact=True).click()
    page.wait_for_timeout(500)
    assert of("Promotion Clicked") == []
    context.set_offline(False)
    wait_for(page, lambda: len(of("Promotion Clicked")), 1)
    page.wait_for_function("localStorage.getItem('winnow.queue') === '[]'")
    page.reload()
    page.wait_for_timeout(700)
    assert len(of("Promotion Clicked")) == 1
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_items_that_are_added_later_are_seen_too(browser, shop):
    context, page = browse(browser, shop)
    page.evaluate("""() => {
      const list = document.querySelector('ul'), item = document.createElement('li')
      item.dataset.winnowItem = 'late'
      list.replaceChildren()
      setTimeout(() => list.append(item), 50)
    }""")
    page.wait_for_timeout(1_500)
    page.evaluate("winnow.flush()")
    wait_for(page, lambda: len(of("Promotion Viewed")), 1)
    assert [row["item_id"] for row in of("Promotion Viewed")] == ["late"]
    context.close()


def test_pages_of_other_origins_may_load_the_script_with_its_hash(client):
    response = client.get("/static/winnow/beacon.js")
    assert b"".join(response.streaming_content) == SCRIPT.read_bytes()
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_script_is_small_and_its_hash_is_in_the_docs():
    assert len(gzip.compress(SCRIPT.read_bytes())) <= LARGEST
    assert integrity() in Path("docs/beacon.md").read_text()
