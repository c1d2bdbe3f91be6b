"""``winnow up`` by real use: processes die and come back, end together, and what cannot work is one sentence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.installation import WINNOW, alive, children, environment, running, wait_for
from winnow import processes, up

pytestmark = [pytest.mark.sqlite, pytest.mark.slow]

# A launcher whose child shrugs off SIGTERM, as a worker does until its job is done.
LAUNCHER = """
import sys
from pathlib import Path
from winnow import processes
child = processes.start(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], log=Path(sys.argv[1]))
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture(autouse=True)
def embedded(monkeypatch):
    """These tests are about the broker of ``winnow up`` itself, whatever the leg."""
    monkeypatch.delenv("WINNOW_BROKER_URL", raising=False)


def test_every_part_that_is_killed_comes_back(tmp_path):
    with running(tmp_path) as installation:
        for part in ("valkey-server", "gunicorn", "winnow worker", "winnow beat"):
            killed = installation.child(part)
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda before=killed: not alive(before), seconds=5)
            assert installation.child(part) != killed


def test_sigterm_ends_every_process_and_is_no_failure(tmp_path):
    with running(tmp_path) as installation:
        parts = children(installation.up.pid)
        assert len(parts) == 4
        installation.up.terminate()
        assert installation.up.wait(30) == 0
        assert installation.up.stdout is not None
        assert installation.up.stdout.read().endswith("stopped\n")
        assert not [pid for pid in parts if alive(pid)]


def test_a_child_that_ignores_sigterm_dies_with_its_killed_launcher(tmp_path):
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        child = int(launcher.stdout.readline())
        assert alive(child)
        launcher.kill()
    wait_for(lambda: not alive(child), seconds=5)


def test_a_process_that_ignores_sigterm_is_killed_at_the_end(tmp_path):
    child = processes.start(["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.1; done"], log=tmp_path / "log")
    wait_for((tmp_path / "log").read_text, seconds=5)
    processes.stop(child, seconds=0.3)
    assert child.returncode == -signal.SIGKILL


def test_one_that_dies_at_every_start_is_given_up(settings, tmp_path, monkeypatch):
    settings.HOME = tmp_path
    waits: list[float] = []
    monkeypatch.setattr(up.time, "sleep", waits.append)
    child = up.Child(name="worker", command=[sys.executable, "-c", "raise SystemExit('no memory')"])
    child.start()

    def die_and_restart() -> None:
        while True:
            assert child.process is not None
            child.process.wait()
            child.restart_if_dead()

    with pytest.raises(up.CannotRun, match=r"the worker died 5 times at its start; .*worker\.log says why"):
        die_and_restart()
    assert waits == sorted(waits)
    assert (tmp_path / "log" / "worker.log").read_text().count("no memory") == 5


def test_it_listens_everywhere_under_the_name_it_is_given(tmp_path):
    with running(tmp_path, "--host", "0.0.0.0", WINNOW_ALLOWED_HOSTS="winnow.example.com") as installation:
        assert installation.url.startswith("http://127.0.0.1:")


def test_a_taken_port_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = failure(tmp_path, "--port", str(port))
    assert message == f"Error: port {port} of 127.0.0.1 is in use; choose another one with --port\n"


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path):
    message = failure(tmp_path, WINNOW_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert message.startswith("Error: the database cannot be used: ")
    assert "refused" in message


def test_a_broker_that_does_not_answer_is_one_sentence(tmp_path):
    message = failure(tmp_path, WINNOW_BROKER_URL="redis://127.0.0.1:1/0")
    assert message.startswith("Error: the broker of WINNOW_BROKER_URL does not answer: ")


def test_what_the_checks_call_an_error_keeps_it_from_starting(tmp_path):
    (tmp_path / "file").touch()
    message = failure(tmp_path / "home", WINNOW_LAKE=str(tmp_path / "file" / "lake"))
    assert message.startswith("Error: events cannot be stored in ")


def failure(home, *options: str, **changes: str) -> str:
    """What a ``winnow up`` that does not start says."""
    options = options or ("--port", "0")
    done = subprocess.run([*WINNOW, "up", *options], capture_output=True, text=True, env=environment(home, **changes))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.browser
def test_a_login_link_opens_the_pages_once(live_stack, page):
    link = live_stack.login_link("ann", "engineer")
    open_link(page, link)
    assert page.url == f"{live_stack.url}/"
    assert "ann" in page.inner_text("header")
    page.context.clear_cookies()
    open_link(page, link)
    assert page.url == link
    assert "ann" not in page.inner_text("header")


def open_link(page, link: str) -> None:
    """Follow a login link and confirm."""
    page.goto(link)
    page.click("main form button")
    page.wait_for_load_state()
