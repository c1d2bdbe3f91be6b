"""The pages of strategies, comparisons and profiles as people use them, in a real Chromium."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

import pytest
from django.test import Client

from recommenders.models import Strategy
from recommenders.offline.evaluation import evaluate
from recommenders.services import artefact_root, record_evaluation, register_trained
from recommenders.testing import tastes
from recommenders.training import train
from winnow.accounts.models import User
from winnow.catalog.histories import forget
from winnow.catalog.profiles import newest_version
from winnow.celery import app
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.jobs import runner, tasks
from winnow.jobs.models import Job, State
from winnow.jobs.profiles import compute_newest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = (
    "/strategies",
    "/strategies/item-knn",
    "/comparisons",
    "/comparisons/{comparison}",
    "/profiles",
    "/profiles/user?id=user-1",
    "/profiles/user?id=nobody",
    "/profiles/item?id=item-1",
)
EXPECTED = re.compile(r"^Failed to load resource: .* status of 4\d\d")  # a page that is refused or not there
MARK_CONTROLS = """() => {
  document.querySelectorAll("details").forEach(one => { one.open = true })
  const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
  const found = [...document.querySelectorAll(kinds)].filter(one => one.checkVisibility())
  found.forEach((one, place) => { one.dataset.place = place })
  return found.map(one => one.outerHTML.slice(0, 120))
}"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one)
  return [Number(one.dataset.place ?? -1), style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2]
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What there is to see: two versions of item-knn, the older one current, and the addresses of the pages."""

    versions: tuple[str, str]
    comparison: str
    pages: tuple[str, ...]


@pytest.fixture(scope="module")
def report():
    return evaluate(["user-knn", "random"], tastes(users=80), k=5, seed=1)


@pytest.fixture
def home(settings, tmp_path, monkeypatch):
    """A home of its own; jobs wait until the test does them."""
    settings.HOME, settings.LAKE = tmp_path, tmp_path / "lake"
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def events(home):
    """What 30 users looked at and bought, in the lake."""
    ingest(
        {"event": event, "messageId": f"{user}-{step}", "userId": f"user-{user}",
         "timestamp": f"2026-05-{step + 1:02}T10:{user:02}:00Z",
         "properties": {"item_id": f"item-{(user * 7 + step) % 20}", "category": "tea", "name": "Tea from the hills",
                        "price": 9.5, "value": 950, "currency": "CNY"}}
        for user in range(30)
        for step in range(8)
        for event in ["Order Completed" if step % 4 == 3 else "Product Viewed"]
    )  # fmt: skip
    compact()


@pytest.fixture
def filled(events, report):
    """Something on every page."""
    compute_newest()
    kept = record_evaluation(report, data="complete-journey", keys=["user-knn", "random"], created_by="eva")
    return Filled(
        versions=(add_version(), add_version(neighbours=7)),
        comparison=f"/comparisons/{kept.pk}",
        pages=tuple(page.format(comparison=kept.pk) for page in PAGES),
    )


@pytest.fixture
def visit(browser, live_server, settings):
    """Open a page as an engineer. What a console reports, and what the security policy refuses, fails the test."""
    session = Client()
    session.force_login(User.objects.create_user("eva", role="engineer"))
    contexts, complaints = [], []

    def open_page(*, language: str = "en", **options):
        context = browser.new_context(base_url=live_server.url, **options)
        cookies = {
            settings.SESSION_COOKIE_NAME: session.cookies[settings.SESSION_COOKIE_NAME].value,
            settings.LANGUAGE_COOKIE_NAME: language,
        }
        context.add_cookies([{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()])
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(said) -> bool:
    return said.type in ("error", "warning") and not EXPECTED.match(said.text)


def add_version(**config: object) -> str:
    version, manifest = train("item-knn", tastes(users=60), artefact_root(), config=config, seed=2)
    register_trained(version, manifest, created_by="eva")
    return version


def work() -> Job:
    """Do the open job, here and for real."""
    job = Job.objects.exclude(state__in=[State.DONE, State.FAILED]).get()
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")
    return job


@pytest.mark.parametrize(("language", "lang"), [("en", "en"), ("zh-hans", "zh-Hans")])
def test_no_page_scrolls_sideways_and_the_colours_follow_the_system(visit, filled, language, lang):
    page = visit(language=language)
    for address in filled.pages:
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == lang
        for width, scheme in product((390, 1280), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            brightness = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
            assert (brightness < 128) == (scheme == "dark")


def test_every_control_is_reached_by_keyboard_and_shows_where_the_focus_is(visit, filled):
    page = visit()
    for address in filled.pages:
        page.goto(address)
        controls = page.evaluate(MARK_CONTROLS)
        reached = set()
        for _ in range(len(controls) + 2):
            page.keyboard.press("Tab")
            place, ringed = page.evaluate(FOCUSED)
            assert place < 0 or ringed, (address, controls[place])
            reached.add(place)
        assert [one for place, one in enumerate(controls) if place not in reached] == [], address


@pytest.mark.parametrize("width", [390, 1280])
def test_a_measure_is_explained_where_the_focus_is(visit, filled, width):
    page = visit(viewport={"width": width, "height": 900})
    page.goto(filled.comparison)
    measures = page.locator(".explains")
    assert measures.count() >= 10
    for measure in measures.all():
        explanation = page.locator(f"#{measure.get_attribute('aria-describedby')}")
        assert not explanation.is_visible()
        measure.focus()
        explanation.wait_for()
        assert len(explanation.inner_text()) > 20
        box, name = explanation.bounding_box(), measure.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert 0 <= box["y"] - name["y"] - name["height"] < 20


def test_a_training_is_asked_for_followed_and_brings_a_version(visit, events):
    page = visit()
    page.goto("/strategies")
    page.get_by_text("No strategy is trained yet.").wait_for()
    page.get_by_role("link", name="Items like yours").click()
    page.get_by_label("tilt").fill("2")
    page.get_by_role("button", name="Train").click()
    field = page.locator(".field", has=page.get_by_label("tilt"))
    assert "must be 0 to 1" in field.locator(".error").inner_text()
    assert field.get_by_label("tilt").get_attribute("aria-invalid") == "true"
    assert page.locator(".error").count() == 1
    page.get_by_label("tilt").fill("0.25")
    page.get_by_role("button", name="Train").click()
    page.get_by_text("Waiting for a worker").wait_for()
    Job.objects.update(state=State.RUNNING, done=400, total=1000, step="similar items")
    page.get_by_text("40 %").wait_for()
    version = add_version(tilt=0.25)
    Job.objects.update(state=State.DONE, done=1000)
    page.get_by_role("rowheader", name=version).wait_for()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(1_500)
    assert [url for url in requests if url.endswith("/training")] == [], "the polling should have ended"


def test_another_version_is_made_current_and_the_first_one_again(visit, filled):
    page = visit()
    page.goto("/strategies/item-knn")
    for version in reversed(filled.versions):
        page.get_by_role("button", name=f"Make {version} current").click()
        page.get_by_text(f"{version} is the current version now.").wait_for()
        assert "current" in page.get_by_role("rowheader", name=version).locator(".tag").inner_text()
        assert Strategy.objects.get(key="item-knn").current.version == version


def test_a_comparison_is_asked_for_followed_and_read(visit, events):
    page = visit()
    page.goto("/comparisons")
    page.get_by_role("button", name="Compare").click()
    assert page.locator("fieldset .error").inner_text() == "Choose at least one."
    page.get_by_label("random", exact=True).check()
    page.get_by_label("Split").fill("leave-last-out")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Waiting for a worker").wait_for()
    Job.objects.update(state=State.RUNNING, done=30, total=100, step="random: ranking")
    page.get_by_text("30 %").wait_for()
    work()
    page.get_by_role("link", name="random", exact=True).click()
    page.get_by_role("heading", name="Difference to the references").wait_for()
    assert page.get_by_role("img").count() >= 4  # an interval of each strategy
    assert page.get_by_text("The last event of each user was hidden").is_visible()


def test_a_user_and_an_item_are_looked_up(visit, events):
    page = visit()
    page.goto("/profiles")
    page.get_by_role("button", name="Compute now").click()
    page.get_by_text("Waiting for a worker").wait_for()
    work()
    page.get_by_role("link", name="Reload to see how far it is").click()
    page.get_by_role("textbox", name="User").fill("user-1")
    page.get_by_role("button", name="Show user").click()
    page.get_by_role("heading", name="What this user did last").wait_for()
    page.locator(".acts a").first.click()
    page.get_by_text("Tea from the hills").wait_for()
    assert newest_version().users == 30


def test_everything_works_without_javascript(visit, filled):
    page = visit(java_script_enabled=False)
    for address in filled.pages:
        page.goto(address)
        assert page.locator("h1").is_visible(), address
    page.goto("/strategies/item-knn")
    page.locator("summary", has_text="Train").click()
    page.get_by_label("neighbours").fill("9")
    page.get_by_role("button", name="Train").click()
    page.get_by_text("Waiting for a worker").wait_for()
    Job.objects.update(state=State.DONE)
    page.get_by_role("link", name="Reload to see how far it is").click()
    page.get_by_role("button", name=f"Make {filled.versions[1]} current").click()
    page.get_by_text(f"{filled.versions[1]} is the current version now.").wait_for()
    page.goto("/comparisons")
    page.locator("summary", has_text="Compare").click()
    page.get_by_label("ease", exact=True).check()
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("link", name="Reload to see how far it is").wait_for()
    page.goto("/profiles")
    page.get_by_role("textbox", name="Item").fill("item-1")
    page.get_by_role("button", name="Show item").click()
    page.get_by_text("Tea from the hills").wait_for()


@pytest.mark.slow
def test_a_real_worker_trains_what_an_open_page_asks_for(page, live_stack):
    """The whole way: events arrive, a person clicks, a process learns from them, the page changes."""
    live_stack.python(EVENTS)
    page.goto(live_stack.login_link("eva", "engineer"))
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.goto(f"{live_stack.url}/strategies/item-knn")
    page.get_by_label("neighbours").fill("5")
    page.get_by_role("button", name="Train").click()
    page.locator("#versions tbody tr").wait_for(timeout=60_000)
    assert page.locator("#versions .tag.primary").inner_text() == "current"
    page.get_by_text("Configuration and notes").click()
    assert page.get_by_text("neighbours 5").is_visible()


EVENTS = """
from winnow.events.ingest import ingest
ingest(
    {"event": "Product Viewed", "messageId": f"{user}-{step}", "userId": f"user-{user}",
     "timestamp": f"2026-05-{step + 1:02}T10:00:00Z", "properties": {"item_id": f"item-{(user * 7 + step) % 20}"}}
    for user in range(50) for step in range(8)
)
"""
