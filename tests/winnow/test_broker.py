"""The embedded broker: private, forgetful, and one of each home."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from kombu import Connection

from tests.installation import wait_for
from winnow import broker, processes

pytestmark = pytest.mark.sqlite


@pytest.fixture
def address():
    """A socket in a short folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="wb-", dir="/tmp"))
    yield folder / "broker.sock"
    shutil.rmtree(folder)


@pytest.fixture
def server(address, tmp_path):
    process = processes.start(broker.command(address), log=tmp_path / "log")
    wait_for(lambda: broker.answers(address), seconds=10)
    yield process
    processes.stop(process)


def test_messages_pass_through_it(server, address):
    with Connection(f"redis+socket://{address}") as connection, connection.SimpleQueue("test") as queue:
        queue.put({"job": 1})
        assert queue.get(timeout=5).payload == {"job": 1}


def test_only_its_owner_may_speak_to_it(server, address):
    assert stat.S_IMODE(address.stat().st_mode) == 0o700


def test_it_leaves_nothing_on_disk(server, address):
    with Connection(f"redis+socket://{address}") as connection:
        connection.SimpleQueue("test").put({"job": 1})
    processes.stop(server)
    assert server.returncode == 0
    assert list(address.parent.iterdir()) == []


def test_one_left_behind_by_another_launcher_is_ended(server, address):
    assert broker.end_leftover(address)
    assert server.wait(5) == 0
    assert not broker.answers(address)
    assert not broker.end_leftover(address)


def test_a_socket_without_a_server_is_no_broker(address):
    assert not broker.answers(address)
    address.touch()
    assert not broker.end_leftover(address)


def test_a_broker_in_use_is_started_over_a_stale_socket(address, tmp_path):
    address.touch()
    process = processes.start(broker.command(address), log=tmp_path / "log")
    assert wait_for(lambda: broker.answers(address), seconds=10)
    processes.stop(process)
    assert not broker.answers(address)
