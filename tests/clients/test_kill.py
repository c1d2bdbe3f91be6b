"""The web process of a real ``winnow up`` is killed while the official client sends: exactly once all the same."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from segment.analytics import request
from segment.analytics.client import Client

from tests import installation

pytestmark = [pytest.mark.slow, pytest.mark.sqlite]

MESSAGES = 800  # before each kill
KILLS = 3
COUNT = """
import json
from winnow.events.compaction import compact
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse
while InboxBody.objects.exists():
    compact()
rows = LakeWarehouse().query("SELECT count(*) AS n, count(DISTINCT message_id) AS ids FROM events", {})
print(json.dumps(rows[0]))
"""


def test_no_message_is_lost_or_doubled_when_the_server_is_killed(tmp_path):
    errors: list[object] = []
    with installation.running(tmp_path) as stack:
        key = stack.command("keys", "create", "shop", "--scope", "write_events")
        client = Client(key, host=stack.url, upload_size=5, on_error=lambda *error: errors.append(error))
        for round in range(KILLS):
            for number in range(MESSAGES):
                client.track("ann", "Promotion Clicked", message_id=f"m{round}-{number}")
            time.sleep(0.15)
            os.kill(stack.child("gunicorn"), signal.SIGKILL)
            assert client.queue.unfinished_tasks, "the client was done before the server was killed"
            installation.wait_for(lambda: stack.child("gunicorn"), seconds=20)
        client.flush()
        client.join()
        request._session.close()
        assert errors == []
        assert json.loads(stack.python(COUNT)) == {"n": KILLS * MESSAGES, "ids": KILLS * MESSAGES}
