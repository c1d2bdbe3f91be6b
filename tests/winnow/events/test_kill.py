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

KILLS = 20
BODIES = 400
PER_BODY = 25

INGEST = """
import django; django.setup()
import sys
from datetime import UTC, datetime
from winnow.events.ingest import ingest
start, bodies, per_body = map(int, sys.argv[1:])
now = datetime(2026, 5, 4, 12, tzinfo=UTC)
for body in range(start, bodies):
    ingest(
        [
            {
                "event": "Promotion Viewed",
                "messageId": f"{body}-{n}",
                "userId": f"u{n}",
                "timestamp": f"2026-05-0{1 + n % 3}T00:00:00Z",
            }
            for n in range(per_body)
        ],
        received_at=now,
    )
    print(body, flush=True)  # acknowledged
"""
COMPACT = "import django; django.setup()\nfrom winnow.events.compaction import compact\nwhile True:\n    compact()"
FINISH = """
import django; django.setup()
from django.db.models import Sum
from winnow.events.compaction import compact
from winnow.events.models import Batch, InboxBody
from winnow.events.warehouse import LakeWarehouse
compact()
rows = LakeWarehouse().query("SELECT COUNT(*) AS n, COUNT(DISTINCT message_id) AS ids FROM events", {})[0]
print(rows["n"], rows["ids"], InboxBody.objects.count(), Batch.objects.aggregate(n=Sum("events"))["n"])
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


def lines(running: subprocess.Popen[str], count: int) -> int:
    """Read that many acknowledgements; returns how many came."""
    assert running.stdout is not None
    return sum(1 for _ in zip(range(count), running.stdout, strict=False))


@pytest.mark.slow
@pytest.mark.sqlite
def test_twenty_kills_of_compactor_and_ingester_lose_nothing_and_double_nothing(home):
    rng = random.Random(4)
    acknowledged = kills = 0
    while kills < KILLS:
        # The ingester repeats the last body it may or may not have been told of, as a client does.
        with process(INGEST, max(acknowledged - 1, 0), BODIES, PER_BODY) as ingester, process(COMPACT) as compactor:
            lines(ingester, 1)
            time.sleep(rng.uniform(0.1, 0.9))
            os.kill(compactor.pid, signal.SIGKILL)
            kills += 1
            if kills % 4 == 0:
                os.kill(ingester.pid, signal.SIGKILL)
                kills += 1
            acknowledged = max(acknowledged - 1, 0) + 1 + lines(ingester, rng.randrange(5, 25))
    with process(INGEST, max(acknowledged - 1, 0), BODIES, PER_BODY) as ingester:
        lines(ingester, BODIES)
    found = subprocess.run([sys.executable, "-c", FINISH], check=True, capture_output=True, text=True).stdout.split()
    assert [int(number) for number in found] == [BODIES * PER_BODY, BODIES * PER_BODY, 0, BODIES * PER_BODY]
