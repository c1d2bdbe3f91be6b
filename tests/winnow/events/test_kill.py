"""Real processes on a real database and lake, killed with SIGKILL: events in = events out."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROUNDS = 10  # two compactors and an ingester die in each
PER_BODY = 25

INGEST = """
import django; django.setup()
import itertools, sys
from datetime import UTC, datetime
from winnow.events.ingest import ingest
now = datetime(2026, 5, 4, 12, tzinfo=UTC)
for body in itertools.count(int(sys.argv[1])):
    ingest(
        [
            {
                "event": "Promotion Viewed",
                "messageId": f"{body}-{n}",
                "userId": f"u{n}",
                "timestamp": f"2026-05-0{1 + n % 3}T00:00:00Z",
            }
            for n in range(int(sys.argv[2]))
        ],
        received_at=now,
    )
    print(body, flush=True)  # acknowledged
"""
COMPACT = """
import django; django.setup()
from winnow.events import compaction
compaction.MOST_FILES = 3  # rewrite often
print("ready", flush=True)
while True:
    compaction.compact()
"""
FINISH = """
import django; django.setup()
from django.db.models import Sum
from django.conf import settings
from winnow.events import compaction
from winnow.events.lake import Lake
from winnow.events.models import Batch, InboxBody
from winnow.events.warehouse import LakeWarehouse
compaction.MOST_FILES = 3  # repeats a rewrite that was killed
compaction.compact()
lake = Lake(settings.LAKE)
named = {file for v in range(lake.version() + 1) for files in lake.files(v).values() for file in files}
left = [*{str(path) for path in settings.LAKE.glob("day=*/*")} - named, *settings.HOME.glob("engine/*.ndjson")]
rows = LakeWarehouse().query("SELECT COUNT(*) AS n, COUNT(DISTINCT message_id) AS ids FROM events", {})[0]
print(rows["n"], rows["ids"], InboxBody.objects.count(), Batch.objects.aggregate(n=Sum("events"))["n"], len(left))
"""


@contextmanager
def process(code: str, *arguments: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, migrated; processes started from here use it."""
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path))
    monkeypatch.delenv("WINNOW_DATABASE_URL", raising=False)
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], check=True, cwd=Path(__file__).parents[3])
    return tmp_path


def wait_for_a_line(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    assert running.stdout.readline()


def kill_and_read(running: subprocess.Popen[str]) -> list[str]:
    os.kill(running.pid, signal.SIGKILL)
    assert running.stdout is not None
    return running.stdout.readlines()


@pytest.mark.slow
@pytest.mark.sqlite
def test_kills_of_compactors_and_ingesters_lose_nothing_and_double_nothing(home):
    rng = random.Random(4)
    acknowledged = 0
    for _ in range(ROUNDS):
        # A client repeats the body that it was not told of, whether or not it had come in.
        with (
            process(INGEST, acknowledged, PER_BODY) as ingester,
            process(COMPACT) as compactor,
            process(COMPACT) as other,
        ):
            for running in (ingester, compactor, other):
                wait_for_a_line(running)
            acknowledged += 1
            time.sleep(rng.uniform(0.05, 0.5))
            kill_and_read(compactor)
            time.sleep(rng.uniform(0.05, 0.5))  # the other takes over
            kill_and_read(other)
            acknowledged += len(kill_and_read(ingester))
    with process(INGEST, acknowledged, PER_BODY) as ingester:
        wait_for_a_line(ingester)
        acknowledged += 1 + len(kill_and_read(ingester))
    found = subprocess.run([sys.executable, "-c", FINISH], check=True, capture_output=True, text=True).stdout.split()
    events, distinct, waiting, noted, left = map(int, found)
    assert (distinct, noted, waiting, left) == (events, events, 0, 0)
    assert events - acknowledged * PER_BODY in (0, PER_BODY)  # the last body may have come in without an answer
