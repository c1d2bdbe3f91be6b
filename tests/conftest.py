"""What several tests need: the services that the legs found, or that run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import services


@pytest.fixture(scope="session")
def postgresql_url():
    """A PostgreSQL database that may be written to."""
    with services.postgresql() as service:
        yield service.address


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    with services.chromium() as service:
        return service.address


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
