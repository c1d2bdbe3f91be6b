"""A real worker on a real broker, with a home of its own: evaluates, and is killed in the middle of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.installation import WINNOW, Installation, alive, children, environment, running, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.sqlite, pytest.mark.slow]

PREPARE = """
from datetime import UTC, datetime
from experiments.services import lifecycle
from winnow.demo import simulation
from winnow.events.ingest import ingest
lifecycle.create(simulation.draft())
lifecycle.start(simulation.KEY, at=simulation.START)
lifecycle.stop(simulation.KEY, at=simulation.STOP)
events = list(simulation.events())[:20_000]
for start in range(0, len(events), 500):
    ingest(events[start : start + 500])
print(json.dumps(len(events)))
"""
REQUEST = """
from winnow.jobs.evaluation import request_evaluation
from winnow.demo import simulation
print(json.dumps(str(request_evaluation(simulation.KEY).pk)))
"""
LOOK = """
from experiments.selectors import experiment_detail
from winnow.demo import simulation
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.models import Job
job = Job.objects.order_by("-created_at").first()
report = experiment_detail(simulation.KEY).report
units = sum(arm.n for arm in report.metrics[0].arms) if report else 0
print(json.dumps([job.state, job.attempts, job.done, job.error, units, LakeWarehouse().row_count()]))
"""
HOLD_THE_LAKE = """
import django; django.setup()
import sys
from winnow.locks import exclusive
with exclusive("lake") as taken:
    print(taken, flush=True)
    sys.stdin.read()
"""


MAKE_KEY = """
from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope
print(json.dumps(create_api_key(name="test", scope=Scope.WRITE_EVENTS)))
"""
SEND_COMPACT = """
from winnow.celery import app
app.send_task("winnow.jobs.compact")
print("null")
"""
SEND_COMPACT_AND_COUNT = """
from winnow.celery import app
from winnow.events.models import Batch
app.send_task("winnow.jobs.compact")
print(json.dumps(Batch.objects.count()))
"""
COMPACT_ALL = """
from winnow.jobs.evaluation import compact_soon
compact_soon()
print("null")
"""
COUNT = """
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse
rows = LakeWarehouse().query("SELECT COUNT(*) AS n, COUNT(DISTINCT message_id) AS ids FROM events", {})[0]
print(json.dumps([rows["n"], rows["ids"], InboxBody.objects.count()]))
"""


def ask(installation: Installation, code: str) -> object:
    """What code prints as JSON in that home."""
    return json.loads(installation.python("import json\n" + code))


@contextmanager
def lake_held(installation: Installation) -> Iterator[None]:
    """Another process compacts, or so it seems: an evaluation waits for it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LAKE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(installation.home),
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "True"
        yield
        holder.communicate()


def wait_for_job(installation: Installation, state: str, *, attempts: int = 0) -> list[object]:
    """What is seen of the job once it is in this state after so many attempts."""

    def look() -> list[object] | None:
        seen = cast(list[object], ask(installation, LOOK))
        return seen if seen[0] == state and cast(int, seen[1]) >= attempts else None

    return cast(list[object], wait_for(look, seconds=60))


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    with running(tmp_path / "home") as installation:
        yield installation


def test_a_worker_evaluates_what_is_asked_for(installation):
    events = ask(installation, PREPARE)
    ask(installation, REQUEST)
    _, attempts, done, error, units, rows = wait_for_job(installation, "done")
    assert (attempts, done, error) == (1, 2, "")
    assert rows == events
    assert units > 1_000


def test_a_worker_killed_in_the_middle_is_replaced_and_the_job_resumed(installation):
    events = ask(installation, PREPARE)
    with lake_held(installation):
        ask(installation, REQUEST)
        wait_for_job(installation, "running")
        os.kill(installation.child("celery -A winnow worker"), signal.SIGKILL)
        wait_for_job(installation, "running", attempts=2)
    _, _, _, _, units, rows = wait_for_job(installation, "done")
    assert rows == events
    assert units > 1_000


def test_twenty_kills_of_worker_and_web_server_lose_nothing_and_double_nothing(installation):
    key = ask(installation, MAKE_KEY)
    sender = Sender(installation.url, str(key))
    sender.start()
    rng = random.Random(8)
    compacted = 0
    for kill in range(20):
        ask(installation, SEND_COMPACT)
        time.sleep(rng.uniform(0, 0.6))
        part = "gunicorn" if kill % 4 == 3 else "celery -A winnow worker"
        os.kill(installation.child(part), signal.SIGKILL)
        if kill % 4 == 3:  # kills of workers that have only just started would show little
            compacted = wait_for(lambda before=compacted: more_batches(installation, before), seconds=60)
    sender.stop.set()
    sender.join(60)
    assert sender.acknowledged > 0
    ask(installation, COMPACT_ALL)
    rows, ids, waiting = cast(list[int], ask(installation, COUNT))
    assert (rows, ids, waiting) == (sender.acknowledged, sender.acknowledged, 0)


def more_batches(installation: Installation, before: int) -> int:
    """How many batches the lake has taken in if that is more than before, else 0; asks for a compaction."""
    batches = cast(int, ask(installation, SEND_COMPACT_AND_COUNT))
    return batches if batches > before else 0


class Sender(threading.Thread):
    """A client that sends batches of 50 until it is stopped, and sends the same again until it is acknowledged."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.address = urlsplit(url)
        self.authorization = "Basic " + b64encode(f"{key}:".encode()).decode()
        self.stop = threading.Event()
        self.acknowledged = 0

    def run(self) -> None:
        while not self.stop.is_set():
            first = self.acknowledged
            events = [
                {
                    "event": "Promotion Viewed",
                    "messageId": f"m{number}",
                    "userId": f"u{number % 999}",
                    "timestamp": f"2026-05-0{1 + number % 3}T00:00:00Z",
                }
                for number in range(first, first + 50)
            ]
            while not self.send(json.dumps({"batch": events})):
                time.sleep(0.1)
            self.acknowledged += 50

    def send(self, body: str) -> bool:
        connection = HTTPConnection(str(self.address.hostname), self.address.port, timeout=20)
        try:
            connection.request("POST", "/v1/batch", body, {"Authorization": self.authorization})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def test_nothing_outlives_a_launcher_that_is_killed(installation):
    family = children(installation.up.pid)
    assert len(family) >= 3
    installation.up.kill()
    wait_for(lambda: not any(alive(pid) for pid in family), seconds=20)


def test_a_second_launcher_of_the_same_home_is_told(installation):
    command = [*WINNOW, "up", "--port", "0"]
    second = subprocess.run(command, capture_output=True, text=True, env=environment(installation.home))
    assert second.returncode == 1
    assert "is running in" in second.stderr
    assert "Traceback" not in second.stderr
