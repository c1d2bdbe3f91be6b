"""Which experiments the schedule evaluates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.contracts import Looks, Stopping
from experiments.services import lifecycle
from tests.winnow.web.reports import REPORTS, keep, make_experiment
from winnow.jobs import tasks
from winnow.jobs.evaluation import is_answered
from winnow.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(monkeypatch):
    monkeypatch.setattr("winnow.jobs.runner.send", lambda job: None)
    monkeypatch.setattr(tasks, "needs_refresh", lambda experiment: True)
    return make_experiment("exp", REPORTS["healthy"]())


def test_an_experiment_with_new_data_is_evaluated(running):
    tasks.refresh()
    assert Job.objects.get().subject == "exp"


def test_once_all_planned_units_were_read_the_schedule_looks_no_more(running):
    whole = replace(REPORTS["watched"](), looks=Looks(fractions=(0.5, 1.0), units=60_000, planned_units=60_000))
    keep(running, whole, lake_version=43)
    assert is_answered(running)
    tasks.refresh()
    assert not Job.objects.exists()


def test_without_a_planned_end_the_schedule_goes_on(running):
    whole = replace(REPORTS["watched"](), looks=Looks(units=90_000, planned_units=60_000))
    keep(running, whole, lake_version=43)
    running.stopping = Stopping.SEQUENCE.value
    assert not is_answered(running)
    assert lifecycle.find_experiment("exp").stopping == Stopping.SPENDING
