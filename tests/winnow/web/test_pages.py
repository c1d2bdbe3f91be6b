"""What the pages say, in every state that a result can be in."""

from __future__ import annotations

import re

import pytest
from django.utils.html import strip_tags

from experiments.health.checks import CHECKS
from experiments.models import Experiment
from experiments.services import lifecycle
from recommenders.models import Family
from recommenders.services import register_version
from tests.winnow.web.reports import REPORTS, keep, make_experiment
from winnow.accounts.models import User
from winnow.celery import app
from winnow.jobs.models import Job, Kind, State

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def manager(client, monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    client.force_login(User.objects.create_user("pm", role="product_manager"))
    return client


def text(response) -> str:
    assert response.status_code in (200, 286, 422), response.status_code
    return re.sub(r"\s+", " ", strip_tags(response.content.decode()))


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_result_has_a_page(manager, name, language):
    make_experiment("exp", REPORTS[name]())
    manager.cookies["django_language"] = language
    page = text(manager.get("/experiments/exp"))
    listed = text(manager.get("/"))
    for shown in (page, listed):
        assert "nan" not in shown.lower().split()
        assert "inf" not in shown.lower().split()
        assert "%(" not in shown


def test_the_page_answers_trust_then_verdict_then_metrics(manager):
    make_experiment("exp", REPORTS["healthy"]())
    page = text(manager.get("/experiments/exp"))
    places = [page.index(words) for words in ("Can it be trusted?", "Verdict", "Metrics", "For programs")]
    assert places == sorted(places)
    assert f"All {len(CHECKS)} checks passed." in page


def test_a_running_experiment_says_what_its_figures_account_for_and_what_would_change_the_verdict(manager):
    make_experiment("exp", REPORTS["watched"]())
    page = text(manager.get("/experiments/exp")).replace("&#x27;", "'")
    for words in (
        "Ship",
        "Effects that end an experiment this early are exaggerated",
        "Had all 60,038 units seen Collaborative, Revenue would differ by",
        "look 3 at 50% of the plan",
        "account for 2 treatments (Šidák)",
        "(Benjamini-Hochberg)",
        "A/A 4.7%",
        "Self-check FAILED: 8.1% false alarms",
        "More about Conversion",
        "Collaborative by membership: the effect differs",
        "Two towers by membership: no sign that the effect differs",
        "Each unit counts up to CNY 2,500",
        "Collaborative, not capped",
        "chance of a higher value than control",
        "no sign that the effect changes from a unit's first to its second week",
        "not shown to be within the margin of 10%",
        "60,038 of 120,000 planned units are in (50%); at the pace so far the rest takes 7 days",
    ):
        assert words in page, words


def test_a_failed_check_is_said_before_any_figure(manager):
    make_experiment("exp", REPORTS["failed"]())
    page = text(manager.get("/experiments/exp"))
    assert page.index("do not read the results") < page.index("Metrics")
    assert "Do not trust" in page


def test_what_was_left_out_is_counted(manager):
    make_experiment("exp", REPORTS["warned"]())
    page = text(manager.get("/experiments/exp"))
    assert "Units that were exposed to two arms: 311." in page
    assert "Nothing was measured in any arm" in page


def test_an_effect_without_bounds_is_said_in_words(manager):
    make_experiment("exp", REPORTS["unbounded"]())
    page = text(manager.get("/experiments/exp"))
    assert "the relative effect is not bounded" in page
    assert "The control's value is 0" in page.replace("&#x27;", "'")


def test_simulated_data_is_labelled_on_both_pages(manager):
    make_experiment("exp", REPORTS["simulated"]())
    Experiment.objects.update(simulated=True)
    page = text(manager.get("/experiments/exp"))
    assert "SIMULATED" in page
    assert "They say nothing about real people" in page
    assert "True effect" in page
    assert "SIMULATED" in text(manager.get("/"))


def test_the_unit_without_a_user_id_is_said(manager):
    make_experiment("exp", REPORTS["impressions"]())
    assert "no user id" in text(manager.get("/experiments/exp"))


def test_a_chinese_page_has_no_english_of_ours(manager):
    make_experiment("exp", REPORTS["healthy"]())
    manager.cookies["django_language"] = "zh-hans"
    page = text(manager.get("/experiments/exp"))
    assert "结果可信吗？" in page
    assert "点击率" in page
    for english in ("Verdict", "Metrics", "interval", "secondary", "better", "Log out", "checks"):
        assert english not in page


def test_an_empty_workspace_says_what_to_do(manager):
    page = text(manager.get("/"))
    assert "There are no experiments yet" in page
    assert "winnow demo" in page or "make demo" in page
    assert "No strategy is trained yet." in text(manager.get("/strategies"))


def test_an_experiment_without_a_result_says_what_to_do(manager):
    make_experiment("exp")
    page = text(manager.get("/experiments/exp"))
    assert "No result yet" in page
    assert "winnow keys create" in page


def test_strategies_name_where_they_serve(manager):
    version = {"name": "Item CF", "family": Family.COLLABORATIVE, "origin": "trained by hand"}
    register_version(key="item-cf", version="2026-04", **version)
    make_experiment("exp")
    page = text(manager.get("/strategies"))
    assert "item-cf" in page
    assert "Spring coupons" in page
    assert "trained by hand" in text(manager.get("/strategies/item-cf"))


def test_a_refresh_shows_the_job_and_the_polling_ends_with_the_result(manager):
    make_experiment("exp", REPORTS["healthy"]())
    response = manager.post("/experiments/exp/refresh", headers=HTMX)
    assert "HX-Request" in response.headers["Vary"]
    job = Job.objects.get()
    assert (job.subject, job.requested_by, job.state) == ("exp", "pm", State.QUEUED)
    Job.objects.update(state=State.RUNNING, done=1, total=2, step="read")
    polled = manager.get("/experiments/exp/job", headers=HTMX)
    assert polled.status_code == 200
    assert "1 of 2" in text(polled)
    Job.objects.update(state=State.DONE, done=2)
    ended = manager.get("/experiments/exp/job", headers=HTMX)
    assert ended.status_code == 286
    assert f"All {len(CHECKS)} checks passed." in text(ended)


def test_a_refresh_works_without_javascript(manager):
    make_experiment("exp", REPORTS["healthy"]())
    response = manager.post("/experiments/exp/refresh", follow=True)
    assert "Waiting for a worker" in text(response)


def test_a_failed_job_says_why_and_what_to_do(manager):
    make_experiment("exp", REPORTS["healthy"]())
    Job.objects.create(kind=Kind.EVALUATE, subject="exp", state=State.FAILED, error="OSError: disk on fire")
    page = text(manager.get("/experiments/exp"))
    assert "The last evaluation failed." in page
    assert "disk on fire" in page


def test_a_manager_takes_an_experiment_through_its_states(manager):
    make_experiment("exp", started=False)
    assert "The experiment runs." in text(manager.post("/experiments/exp/start", follow=True))
    assert "The experiment is stopped." in text(manager.post("/experiments/exp/stop", follow=True))
    decided = manager.post("/experiments/exp/decide", {"outcome": "ship", "reason": "more orders"}, follow=True)
    assert "The decision is recorded." in text(decided)
    assert Experiment.objects.get().state == "decided"


def test_a_decision_without_a_reason_is_not_lost_but_asked_for(manager):
    make_experiment("exp")
    lifecycle.stop("exp")
    response = manager.post("/experiments/exp/decide", {"outcome": "ship", "reason": ""})
    assert response.status_code == 422
    assert "Say why" in text(response)
    assert Experiment.objects.get().state == "stopped"


def test_a_step_out_of_order_is_one_sentence(manager):
    make_experiment("exp")
    page = text(manager.post("/experiments/exp/start", follow=True)).replace("&#x27;", "'")
    assert "This is not possible: the experiment's state is “Running”." in page


def test_a_viewer_sees_no_buttons(client):
    client.force_login(User.objects.create_user("viewer", role="viewer"))
    make_experiment("exp", REPORTS["healthy"]())
    page = text(client.get("/experiments/exp"))
    for button in ("Refresh", "Stop…", "Decide…"):
        assert button not in page


def test_an_unknown_experiment_is_a_page_of_ours(manager):
    response = manager.get("/experiments/nope")
    assert response.status_code == 404
    assert b"Not found" in response.content


@pytest.mark.parametrize("count", [1, 4])
def test_the_list_takes_the_same_number_of_queries_for_any_number_of_experiments(
    manager, count, django_assert_num_queries
):
    for number in range(count):
        make_experiment(f"exp-{number}", REPORTS["healthy"]())
    with django_assert_num_queries(4):  # session, person, experiments, reports
        manager.get("/")


@pytest.mark.parametrize("count", [1, 4])
def test_a_page_takes_the_same_number_of_queries_for_any_number_of_results(manager, count, django_assert_num_queries):
    experiment = make_experiment("exp", REPORTS["healthy"]())
    for version in range(1, count):
        keep(experiment, REPORTS["healthy"](), lake_version=42 + version)
    with django_assert_num_queries(6):  # session, person, experiment, result, arms, job
        manager.get("/experiments/exp")


def test_pages_forbid_inline_scripts_and_styles(manager):
    make_experiment("exp", REPORTS["healthy"]())
    response = manager.get("/experiments/exp")
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    content = response.content.decode()
    assert "<style" not in content
    assert 'style="' not in content
    assert not re.search(r"<script(?![^>]*\bsrc=)", content)
