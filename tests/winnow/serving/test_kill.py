"""The web server, killed while it answers: every list that anybody got is in the log."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.installation import children, environment, wait_for
from winnow.up import free_port, web_command

ROUNDS, CLIENTS = 2, 8

SET_UP = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.winnow.serving import shop
from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope
shop.experiment(shop.register("item-knn"), shop.register("recent-popularity"), exploration=0.2)
print(create_api_key(name="test", scope=Scope.RECOMMEND))
"""
LOGGED = """
import django, json; django.setup()
from winnow.events.models import InboxBody
for body in InboxBody.objects.all():
    for line in bytes(body.events).splitlines():
        row = json.loads(line)
        print(row["ranking_id"], ",".join(item["item_id"] for item in json.loads(row["properties"])["items"]))
"""


def python(home: Path, code: str) -> str:
    command = [sys.executable, "-c", code]
    where = Path(__file__).parents[3]
    env = environment(home) | {"PYTHONPATH": str(where)}
    return subprocess.run(command, env=env, cwd=where, check=True, capture_output=True, text=True).stdout.strip()


def ask_until_it_dies(port: int, key: str, dead: Event) -> list[tuple[str, str]]:
    """The ranking id and the items of every list that was answered."""
    answered = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while not dead.is_set():
        body = json.dumps({"experiment": "exp", "user_id": f"u{len(answered)}", "k": 3})
        try:
            connection.request("POST", "/api/v1/recommendations", body, {"Authorization": f"Bearer {key}"})
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            break
        answered.append((answer["ranking_id"], ",".join(slot["item_id"] for slot in answer["items"])))
    connection.close()
    return answered


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.sqlite
def test_every_list_that_was_answered_is_in_the_log_after_a_kill(tmp_path):
    key = python(tmp_path, SET_UP)
    seen: list[tuple[str, str]] = []
    for _ in range(ROUNDS):
        port, dead = free_port("127.0.0.1"), Event()
        with subprocess.Popen(web_command("127.0.0.1", port), env=environment(tmp_path)) as web:
            wait_for(lambda port=port: answers(port), seconds=30)
            with ThreadPoolExecutor(CLIENTS) as pool:
                running = [pool.submit(ask_until_it_dies, port, key, dead) for _ in range(CLIENTS)]
                time.sleep(1.0)
                for pid in (*children(web.pid), web.pid):
                    os.kill(pid, signal.SIGKILL)
                dead.set()
                seen += [one for future in running for one in future.result()]
    logged = dict(line.split(" ") for line in python(tmp_path, LOGGED).splitlines())
    assert len(seen) > ROUNDS * CLIENTS
    assert [(ranking_id, items) for ranking_id, items in seen if logged.get(ranking_id) != items] == []
