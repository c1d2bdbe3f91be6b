"""The pages as people use them, in a real Chromium."""

from __future__ import annotations

import re

import pytest

from experiments.health.checks import CHECKS
from tests.winnow.web.reports import REPORTS, make_experiment
from winnow.accounts.keys import create_login_link
from winnow.accounts.models import User
from winnow.celery import app
from winnow.jobs.models import Job, State

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def inside(live_server, page, monkeypatch):
    """A page on which a product manager has logged in by link, and the address of the server."""
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    make_experiment("spring-coupons", REPORTS["healthy"]())
    user = User.objects.create_user("mei", role="product_manager")
    page.goto(f"{live_server.url}/login/link/{create_login_link(user)}")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{live_server.url}/")
    return page


def test_from_the_link_to_the_result(inside):
    inside.get_by_role("link", name="Spring coupons").click()
    assert inside.get_by_role("heading", name="Can it be trusted?").is_visible()
    assert inside.get_by_text(f"All {len(CHECKS)} checks passed.").is_visible()
    assert inside.get_by_role("img").count() >= 7  # an interval for each metric and arm
    inside.get_by_text(f"All {len(CHECKS)} checks passed.").click()
    assert inside.get_by_text("No unit was seen in two arms.").is_visible()


def test_a_refresh_shows_its_progress_and_then_the_result(inside, live_server):
    inside.goto(f"{live_server.url}/experiments/spring-coupons")
    inside.get_by_role("button", name="Refresh").click()
    inside.get_by_text("Waiting for a worker").wait_for()
    Job.objects.update(state=State.RUNNING, done=1, total=2, step="read")
    inside.get_by_text("1 of 2").wait_for()
    requests: list[str] = []
    Job.objects.update(state=State.DONE, done=2)
    inside.get_by_text("1 of 2").wait_for(state="detached")
    inside.on("request", lambda request: requests.append(request.url))
    assert inside.get_by_text(f"All {len(CHECKS)} checks passed.").is_visible()
    inside.wait_for_timeout(2_500)
    assert requests == [], "the polling should have ended"


def test_the_language_is_switched_on_every_page(inside, live_server):
    inside.get_by_role("button", name="简体中文").click()
    inside.get_by_role("heading", name="实验").wait_for()
    inside.goto(f"{live_server.url}/experiments/spring-coupons")
    assert inside.get_by_role("heading", name="结果可信吗？").is_visible()
    assert inside.locator("html").get_attribute("lang").lower().startswith("zh")


def test_every_action_can_be_reached_by_keyboard(inside, live_server):
    inside.goto(f"{live_server.url}/experiments/spring-coupons")
    reached = []
    for _ in range(40):
        inside.keyboard.press("Tab")
        reached.append(inside.evaluate("document.activeElement.textContent.trim()"))
    assert reached[0] == "Skip to the content"
    for action in ("Strategies", "Stop…", "Refresh", "JSON"):
        assert action in reached
    ring = inside.evaluate(
        "() => { document.querySelector('a').focus(); return getComputedStyle(document.activeElement).outlineStyle }"
    )
    assert ring != "none"


@pytest.mark.parametrize("width", [390, 1024, 1680])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/", "/experiments/spring-coupons", "/strategies", "/nothing-here"])
def test_no_page_scrolls_sideways_and_the_colours_follow_the_system(inside, live_server, width, scheme, address):
    inside.set_viewport_size({"width": width, "height": 900})
    inside.emulate_media(color_scheme=scheme)
    inside.goto(live_server.url + address)
    assert inside.evaluate("document.documentElement.scrollWidth") <= width
    background = inside.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
    assert (brightness < 128) == (scheme == "dark")


def test_a_decision_is_recorded_with_its_reason(inside, live_server):
    inside.goto(f"{live_server.url}/experiments/spring-coupons")
    inside.get_by_text("Stop…").click()
    inside.get_by_role("button", name="Stop now").click()
    inside.get_by_text("The experiment is stopped.").wait_for()
    inside.get_by_text("Decide…").click()
    inside.get_by_role("radio", name="Ship").check()
    inside.get_by_label("Reason").fill("More orders at the same cost.")
    inside.get_by_role("button", name="Record the decision").click()
    inside.get_by_text("The decision is recorded.").wait_for()
    assert inside.get_by_text("More orders at the same cost.").is_visible()


def test_the_documentation_of_the_api_works_under_the_policy(inside, live_server):
    inside.goto(f"{live_server.url}/api/v1/docs")
    inside.get_by_text("/api/v1/experiments/{key}/report").first.wait_for()
    assert inside.locator(".opblock").count() > 10


@pytest.mark.slow
def test_a_real_worker_brings_a_result_to_an_open_page(page, live_stack):
    """The whole way: people click, Celery works, the page changes."""
    page.goto(live_stack.login_link("mei", "product_manager"))
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.get_by_text("There are no experiments yet").wait_for()
    live_stack.python(EXPERIMENT)
    page.goto(f"{live_stack.url}/experiments/{KEY}")
    page.get_by_text("No result yet").wait_for()
    page.get_by_role("button", name="Refresh").click()
    page.get_by_text("checks passed").wait_for(timeout=60_000)
    assert page.get_by_text("SIMULATED").first.is_visible()
    assert page.get_by_role("img").count() >= 9


KEY = "simulated-spend-and-save"
EXPERIMENT = """
from experiments.services import lifecycle
from winnow.demo import simulation
from winnow.events.ingest import ingest
lifecycle.create(simulation.draft())
lifecycle.start(simulation.KEY, at=simulation.START)
events = list(simulation.events())[:20_000]
for start in range(0, len(events), 500):
    ingest(events[start : start + 500])
"""
