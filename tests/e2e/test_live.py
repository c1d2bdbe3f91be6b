"""The live view in a real Chromium: it fills by itself, works without JavaScript, and fits every screen."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest

from winnow.accounts.keys import create_api_key, create_login_link
from winnow.accounts.models import Scope, User
from winnow.events.compaction import compact

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ("live", "refused", "vocabulary")


@pytest.fixture
def send(live_server, settings, tmp_path):
    settings.LAKE = tmp_path / "lake"
    key = create_api_key(name="shop", scope=Scope.WRITE_EVENTS)

    def post(*events: dict[str, object]) -> None:
        batch = [{"event": "Promotion Clicked", "userId": "ann", **event} for event in events]
        with urlopen(Request(f"{live_server.url}/v1/batch", json.dumps({"batch": batch, "writeKey": key}).encode())):
            pass

    return post


@pytest.fixture
def enter(live_server):
    user = User.objects.create_user("mei", role="engineer")

    def log_in(page) -> None:
        page.goto(f"{live_server.url}/login/link/{create_login_link(user)}")
        page.get_by_role("main").get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{live_server.url}/")

    return log_in


def test_an_open_view_shows_an_event_within_seconds(page, enter, send, live_server):
    enter(page)
    page.get_by_role("link", name="Events").click()
    assert page.get_by_text("No event came within the last 15 minutes").is_visible()
    send({"properties": {"campaign_id": "spring"}}, {"event": "Order Completed"})
    page.get_by_role("cell", name="Promotion Clicked").wait_for(timeout=8_000)
    assert page.get_by_text("properties.value: is missing").is_visible()
    page.get_by_label("Event", exact=True).fill("Order Completed")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="Pause").click()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(3_500)
    assert [url for url in requests if "/events/live" in url] == []


def test_the_filter_works_without_javascript(browser, enter, send, live_server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    enter(page)
    send({}, {"event": "Product Viewed"})
    page.goto(f"{live_server.url}/events/live")
    page.get_by_label("Event", exact=True).fill("Product Viewed")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("tbody tr").count() == 1
    assert page.get_by_role("link", name="Reload to see newer ones").is_visible()
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_events_scrolls_sideways(page, enter, send, live_server, width, scheme):
    send({"userId": "u" * 180, "event": "x" * 190, "properties": {"p" * 150: 1}}, {"event": "Order Completed"})
    compact()
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    enter(page)
    for name in PAGES:
        page.goto(f"{live_server.url}/events/{name}")
        assert page.locator("tbody tr").count() >= 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
