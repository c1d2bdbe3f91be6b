"""An offline comparison as a job: asked for once, judged in the configuration that was meant, kept once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recommenders.errors import InvalidData, UnknownStrategy
from recommenders.models import OfflineEvaluation
from recommenders.offline.report import report_from_json
from recommenders.services import artefact_root, register_trained
from recommenders.testing import tastes
from recommenders.training import train
from winnow.catalog.interactions import Loaded
from winnow.celery import app
from winnow.events.ingest import ingest
from winnow.jobs import comparison, runner, tasks
from winnow.jobs.comparison import Question, evaluation_of, request_comparison
from winnow.jobs.models import Job, Kind, State

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = Question(strategies=("random",), data="complete-journey", k=5)


@pytest.fixture(autouse=True)
def sent(monkeypatch, settings, tmp_path):
    """The ids of the jobs that a worker was told of."""
    settings.HOME = tmp_path
    settings.LAKE = tmp_path / "lake"
    ids: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, retry: ids.append(args[0]))
    return ids


@pytest.fixture
def small(monkeypatch):
    """A small data set in the place of the large one."""
    monkeypatch.setattr(comparison, "read", lambda source: Loaded(data=tastes(users=60), name="complete-journey"))


def carry_out(job: Job) -> Job:
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    return job


def test_the_strategies_are_judged_beside_the_references_and_the_report_is_kept(small):
    job = carry_out(request_comparison(QUESTION, requested_by="ann"))
    assert (job.state, job.error, job.percent) == (State.DONE, "", 100)
    kept = evaluation_of(job)
    assert (kept.keys, kept.data, kept.created_by) == (["random"], "complete-journey", "ann")
    report = report_from_json(kept.report)
    assert [one.label for one in report.strategies] == ["random", "recent-popularity", "user-frequency", "item-knn"]
    assert (report.k, report.evaluated) == (5, 60)


def test_an_attempt_that_comes_after_the_result_adds_none(small):
    job = carry_out(request_comparison(QUESTION))
    Job.objects.update(state=State.QUEUED)
    assert carry_out(job).state == State.DONE
    assert OfflineEvaluation.objects.count() == 1


def test_a_version_is_judged_in_its_own_configuration(small):
    data = tastes(users=60)
    version, manifest = train("item-knn", data, artefact_root(), config={"neighbours": 3})
    register_trained(version, manifest)
    asked = replace(QUESTION, strategies=("item-knn", f"item-knn@{version}"))
    report = report_from_json(evaluation_of(carry_out(request_comparison(asked))).report)
    assert [report.strategy(label).config["neighbours"] for label in ("item-knn", "item-knn (2)")] == [200, 3]


def test_the_same_question_gives_the_same_job_and_another_one_does_not(sent):
    first = request_comparison(QUESTION)
    assert request_comparison(QUESTION).pk == first.pk
    other = request_comparison(replace(QUESTION, k=6))
    assert sent == [str(first.pk), str(other.pk)]
    assert Job.objects.filter(kind=Kind.COMPARE).count() == 2


def test_the_platform_s_own_events_are_compared_at_the_lake_s_version():
    ingest(
        {
            "event": "Product Viewed",
            "messageId": f"m{user}-{step}",
            "userId": f"u{user}",
            "timestamp": f"2026-05-{step + 1:02}T12:00:00Z",
            "properties": {"item_id": f"i{(user + step) % 9}"},
        }
        for user in range(30)
        for step in range(4)
    )
    job = carry_out(request_comparison(replace(QUESTION, data="lake")))
    assert (job.state, job.error) == (State.DONE, "")
    kept = evaluation_of(job)
    assert kept.data == "lake@1"
    assert report_from_json(kept.report).train_events == 90


def test_without_events_the_job_says_so_and_is_not_repeated():
    job = carry_out(request_comparison(replace(QUESTION, data="lake")))
    assert (job.state, job.attempts) == (State.FAILED, 1)
    assert "the lake has no events" in job.error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strategies": ()}, "strategies: 0 chosen, must be 1 to 20"),
        ({"strategies": ("random", "random")}, "strategies: one is chosen twice"),
        ({"data": "/etc/passwd"}, "data: '/etc/passwd' must be one of lake, complete-journey"),
        ({"split": "halves"}, "split: 'halves' must be"),
        ({"k": 0}, "k: 0 must be 1 to 1000"),
        ({"seed": -1}, "seed: -1 must be"),
        ({"seconds": 0}, "seconds: 0 must be above 0"),
        ({"seconds": 3_601.0}, "seconds: 3601 must be above 0 and at most 3600"),
        ({"seconds": float("nan")}, "seconds: nan must be"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_its_field(change, words):
    with pytest.raises(InvalidData, match=words):
        replace(QUESTION, **change)


@pytest.mark.parametrize("chosen", ["nope", "item-knn@nope"])
def test_what_is_not_here_is_refused_before_a_worker_is_asked(sent, chosen):
    with pytest.raises(UnknownStrategy, match="nope"):
        request_comparison(replace(QUESTION, strategies=(chosen,)))
    assert sent == []
