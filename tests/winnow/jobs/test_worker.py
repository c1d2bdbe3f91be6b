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
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest

from winnow.up import free_port

pytestmark = [pytest.mark.broker, pytest.mark.sqlite, pytest.mark.slow]

SETUP = "import django; django.setup()\nimport json, sys\n"
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
from winnow.locks import exclusive
with exclusive("lake") as taken:
    print(json.dumps(taken), flush=True)
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
COMPACT_ALL = """
from winnow.jobs.evaluation import compact_soon
compact_soon()
print("null")
"""
COUNT = """
from winnow.events.models import Batch, InboxBody
from winnow.events.warehouse import LakeWarehouse
rows = LakeWarehouse().query("SELECT COUNT(*) AS n, COUNT(DISTINCT message_id) AS ids FROM events", {})[0]
print(json.dumps([rows["n"], rows["ids"], InboxBody.objects.count(), Batch.objects.count()]))
"""


class Installation:
    """``winnow up`` in a home of its own."""

    def __init__(self, home: str) -> None:
        self.environment = os.environ | {"WINNOW_HOME": home, "DJANGO_SETTINGS_MODULE": "winnow.settings"}
        self.environment.pop("WINNOW_DATABASE_URL", None)
        self.up: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        port = free_port("127.0.0.1")
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "winnow.cli", "up", "--port", str(port)]
        self.up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment)
        assert self.up.stdout is not None
        assert "Winnow is at" in self.up.stdout.readline()

    def stop(self) -> None:
        if self.up is not None:
            self.up.terminate()
            self.up.wait(30)
            assert self.up.stdout is not None
            self.up.stdout.close()

    def ask(self, code: str) -> object:
        done = subprocess.run(
            [sys.executable, "-c", SETUP + code], capture_output=True, text=True, env=self.environment, check=True
        )
        return json.loads(done.stdout)

    @contextmanager
    def lake_held(self) -> Iterator[None]:
        """Another process compacts, or so it seems: an evaluation waits for it."""
        with subprocess.Popen(
            [sys.executable, "-c", SETUP + HOLD_THE_LAKE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as holder:
            assert holder.stdout is not None
            assert json.loads(holder.stdout.readline()) is True
            yield
            holder.communicate()

    def wait_for(self, state: str, *, attempts: int = 0, seconds: float = 60) -> list[object]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = self.ask(LOOK)
            assert isinstance(seen, list)
            if seen[0] == state and seen[1] >= attempts:
                return seen
            time.sleep(0.2)
        raise AssertionError(f"the job is {seen}, must become {state} with {attempts} attempts or more")

    def processes(self, word: str) -> list[int]:
        """The processes of this home whose command holds the word."""
        assert self.up is not None
        found = subprocess.run(["pgrep", "-P", str(self.up.pid), "-f", word], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def kill_one(self, word: str) -> None:
        """Kill the child whose command holds the word, once it is there."""
        deadline = time.monotonic() + 20
        while not (found := self.processes(word)):
            assert time.monotonic() < deadline, f"no process of {word}"
            time.sleep(0.1)
        os.kill(found[0], signal.SIGKILL)


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    installation = Installation(str(tmp_path / "home"))
    yield installation
    installation.stop()


def test_a_worker_evaluates_what_is_asked_for(installation):
    installation.start()
    events = installation.ask(PREPARE)
    installation.ask(REQUEST)
    _, attempts, done, error, units, rows = installation.wait_for("done")
    assert (attempts, done, error) == (1, 2, "")
    assert rows == events
    assert units > 2_000


def test_a_worker_killed_in_the_middle_is_replaced_and_the_job_resumed(installation):
    installation.start()
    events = installation.ask(PREPARE)
    with installation.lake_held():
        installation.ask(REQUEST)
        installation.wait_for("running")
        (worker,) = installation.processes("celery -A winnow worker")
        os.kill(worker, signal.SIGKILL)
        installation.wait_for("running", attempts=2)
    _, _, _, _, units, rows = installation.wait_for("done")
    assert rows == events
    assert units > 2_000


def test_twenty_kills_of_worker_and_web_server_lose_nothing_and_double_nothing(installation):
    installation.start()
    key = installation.ask(MAKE_KEY)
    sender = Sender(installation.url, str(key))
    sender.start()
    rng = random.Random(8)
    for kill in range(20):
        installation.ask(SEND_COMPACT)
        time.sleep(rng.uniform(0, 0.6))
        installation.kill_one("gunicorn" if kill % 4 == 3 else "celery -A winnow worker")
    sender.stop.set()
    sender.join(60)
    assert sender.acknowledged > 0
    installation.ask(COMPACT_ALL)
    rows, ids, waiting, batches = cast(list[int], installation.ask(COUNT))
    assert (rows, ids, waiting) == (sender.acknowledged, sender.acknowledged, 0)
    assert batches >= 5, "the kills should come while batches are on their way"


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
    installation.start()
    children = installation.processes("")
    assert len(children) >= 3
    assert installation.up is not None
    installation.up.kill()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if alive(pid)]


def alive(pid: int) -> bool:
    """Whether a process is there and not waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_launcher_of_the_same_home_is_told(installation):
    installation.start()
    second = subprocess.run(
        [sys.executable, "-m", "winnow.cli", "up", "--port", "0"],
        capture_output=True,
        text=True,
        env=installation.environment,
    )
    assert second.returncode == 1
    assert "is running in" in second.stderr
    assert "Traceback" not in second.stderr
