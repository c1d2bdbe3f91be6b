"""The list of comparisons and the page of one: every number with its interval, or absent with a reason."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from django.utils.html import strip_tags

from recommenders.offline.evaluation import evaluate
from recommenders.services import record_evaluation
from recommenders.testing import tastes
from winnow.accounts.models import User
from winnow.catalog.interactions import PARTLY_SIMULATED
from winnow.celery import app
from winnow.jobs.models import Job, State
from winnow.web.comparison_picture import picture
from winnow.web.comparison_tables import measure_groups

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
FORM = {"strategies": ["ease"], "source": "lake", "split": "last-days:7", "k": "10", "seed": "0", "seconds": "60"}
REPORT = evaluate(["user-knn", "random"], tastes(users=80), k=5, seed=1)
FAILED = replace(
    REPORT,
    strategies=(replace(REPORT.strategies[0], figures=(), failure="no memory"), *REPORT.strategies[1:]),
    differences=tuple(one for one in REPORT.differences if one.strategy != "user-knn"),
)
NUMBERLESS = replace(
    REPORT,
    strategies=tuple(replace(one, figures=(), failure="it broke") for one in REPORT.strategies),
    differences=(),
    references=(),
)


@pytest.fixture
def engineer(client, monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    client.force_login(User.objects.create_user("eva", role="engineer"))
    return client


def text(response) -> str:
    return unescape(re.sub(r"\s+", " ", strip_tags(response.content.decode())))


def keep(report=REPORT, data="lake@1"):
    return record_evaluation(report, data=data, keys=["user-knn", "random"], created_by="eva", code_version="0.1")


@pytest.mark.parametrize("report", [REPORT, FAILED, NUMBERLESS], ids=["healthy", "failed", "numberless"])
def test_every_report_has_a_page_without_loose_ends(engineer, report):
    page = text(engineer.get(f"/comparisons/{keep(report).pk}"))
    assert not {"nan", "inf", "none", "[nan,"} & set(page.lower().split())


def test_the_page_answers_in_order(engineer):
    page = text(engineer.get(f"/comparisons/{keep().pk}"))
    headings = (
        "What was judged",
        "NDCG@5",
        "Difference to the references",
        "All measures",
        "NDCG@5 of parts",
        "Failures and warnings",
        "How it was computed",
    )
    places = [page.index(words) for words in headings]
    assert places == sorted(places)
    for words in ("80", "The last event of each user", REPORT.data, "Coverage", "RMSE", "Gini", "Light users"):
        assert words in page, words


def test_the_figures_are_those_of_the_report(engineer):
    page = text(engineer.get(f"/comparisons/{keep().pk}"))
    figure = REPORT.strategy("user-knn").figure("ndcg")
    assert f"{figure.value:.4f} [{figure.ci_low:.4f}, {figure.ci_high:.4f}]" in page
    difference = REPORT.difference("user-knn", "recent-popularity", "ndcg")
    assert f"{difference.effect:+.4f} [{difference.ci_low:+.4f}, {difference.ci_high:+.4f}]" in page


def test_the_picture_marks_the_references_and_draws_every_interval_inside_its_frame():
    drawn = picture(REPORT, ["user-knn", "random"])
    assert {row.label for row in drawn.rows if row.reference} == set(REPORT.references)
    assert all(0 <= row.bar.start <= row.bar.end <= 240 for row in drawn.rows if row.bar)
    assert drawn.rows[-1].label == "random"
    said = {row.label: row.sentence for row in drawn.differences}
    assert said["random"].startswith("worse than")


def test_a_failed_strategy_says_why_and_has_no_figures(engineer):
    page = text(engineer.get(f"/comparisons/{keep(FAILED).pk}"))
    assert "user-knn no memory" in page
    assert "This strategy failed." in page
    assert all(row.cells[0].value == "–" for group in measure_groups(FAILED) for row in group.rows)


def test_simulated_data_is_labelled(engineer):
    assert "SIMULATED" not in text(engineer.get(f"/comparisons/{keep().pk}"))
    noted = replace(REPORT, notes=(PARTLY_SIMULATED,))
    assert "SIMULATED" in text(engineer.get(f"/comparisons/{keep(noted).pk}"))
    assert "SIMULATED" in text(engineer.get("/strategies"))


def test_warnings_are_counted(engineer):
    broken = replace(REPORT.strategies[0], not_numbers=1_200, short_lists=1)
    page = text(engineer.get(f"/comparisons/{keep(replace(REPORT, strategies=(broken, *REPORT.strategies[1:]))).pk}"))
    assert "user-knn: 1,200 scores were no numbers" in page
    assert "user-knn: 1 list has fewer than 5 items" in page


def test_the_form_opens_a_comparison_and_the_list_polls_until_it_is_there(engineer):
    assert "There are no comparisons yet" in text(engineer.get("/comparisons"))
    assert engineer.post("/comparisons/new", FORM).status_code == 302
    job = Job.objects.get()
    assert (job.parameters["strategies"], job.parameters["split"]) == (["ease"], "last-days:7")
    assert "Waiting for a worker" in text(engineer.get("/comparisons"))
    Job.objects.update(state=State.RUNNING, done=30, total=100, step="ease: ranking")
    polled = engineer.get("/comparisons/jobs?open=1", headers=HTMX)
    assert (polled.status_code, "30 %" in text(polled)) == (200, True)
    keep()
    Job.objects.update(state=State.DONE)
    ended = engineer.get("/comparisons/jobs?open=1", headers=HTMX)
    assert ended.status_code == 286
    assert "user-knn, random" in text(ended)


def test_a_comparison_that_failed_says_why(engineer):
    engineer.post("/comparisons/new", FORM)
    Job.objects.update(state=State.FAILED, error="data: the lake has no events")
    assert "The last comparison failed." in text(engineer.get("/comparisons"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strategies": []}, "Choose at least one."),
        ({"strategies": ["nope"]}, "nope is not one of the available choices"),
        ({"split": "halves"}, "split: 'halves' must be"),
        ({"k": "0"}, "greater than or equal to 1"),
        ({"seconds": "9999"}, "seconds: 9999 must be above 0"),
    ],
)
def test_an_error_stands_beside_its_field(engineer, change, words):
    response = engineer.post("/comparisons/new", FORM | change)
    assert response.status_code == 422
    assert words in text(response)
    assert not Job.objects.exists()


def test_a_product_manager_reads_and_cannot_start(engineer):
    engineer.force_login(User.objects.create_user("pm", role="product_manager"))
    assert "An engineer can start one here." in text(engineer.get("/comparisons"))
    assert engineer.post("/comparisons/new", FORM).status_code == 403
