"""What several tests need: the services that the legs found, or that run here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests import installation, services

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_sessionstart() -> None:
    """Pages in other languages need their catalogues."""
    from winnow import translations

    translations.compile_catalogues()


@pytest.fixture(scope="session")
def postgresql_url():
    """A PostgreSQL database that may be written to."""
    with services.postgresql() as service:
        yield service.address


@pytest.fixture(scope="session")
def redis_url():
    """A Redis that may be written to."""
    with services.redis() as service:
        yield service.address


@pytest.fixture(scope="session")
def embedded_broker():
    """The address of an embedded broker, as ``winnow up`` starts it."""
    from winnow import broker, processes

    folder = Path(tempfile.mkdtemp(prefix="wb-", dir="/tmp"))  # short: the path of a socket has 108 bytes at most
    process = processes.start(broker.command(folder / "broker.sock"), log=folder / "log")
    installation.wait_for(lambda: broker.answers(folder / "broker.sock"), seconds=10)
    yield f"redis+socket://{folder}/broker.sock"
    processes.stop(process)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def live_stack(tmp_path_factory):
    """A real ``winnow up`` in a home of its own: ``.url``, ``.login_link(name, role)``, ``.command(words)``."""
    with installation.running(tmp_path_factory.mktemp("live")) as stack:
        yield stack


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    with services.chromium() as service:
        return service.address


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """The folder in which Node finds the official clients."""
    given = os.environ.get("WINNOW_TEST_NODE")
    if given:
        return Path(given)
    with services.node() as service:
        return Path(service.address)


@pytest.fixture(scope="session")
def browser(chromium):
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright leaves an event loop in this thread, in which Django would refuse to use the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page with no cookies. Errors of its scripts, and what its security policy refuses, fail the test."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if _is_error(message, page.url) else None)
    yield page
    context.close()
    assert errors == []


def _is_error(message, address: str) -> bool:
    """The console also reports that a page itself answered 404 or 410, which tests do on purpose."""
    unfound = message.text.startswith("Failed to load resource") and message.location["url"] == address
    return message.type == "error" and not unfound


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the public experiments (Hillstrom, ASOS, landing page, Cookie Cats)."""
    folder = os.environ.get("WINNOW_TEST_DATA")
    if not folder:
        pytest.skip("WINNOW_TEST_DATA names no folder with the public experiments")
    return Path(folder)


@pytest.fixture
def shell(tmp_path):
    """Run a command and get its outcome, without raising."""

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, cwd=tmp_path)

    return run
