"""``winnow up`` as a person starts it: a process, in a home of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
WINNOW = (sys.executable, "-m", "winnow.cli")
OWN_PLACE = ("WINNOW_DATABASE_URL", "WINNOW_LAKE")  # what a leg may set, and an installation in its own home must not


@dataclass(slots=True)
class Installation:
    """A running installation."""

    home: Path
    up: subprocess.Popen[str]
    url: str

    def command(self, *words: str) -> str:
        """What a ``winnow`` command prints in this home."""
        return subprocess.run(
            [*WINNOW, *words], env=environment(self.home), check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def login_link(self, name: str, role: str) -> str:
        """A link that logs a person in once; the person is made if need be."""
        return self.command("login-link", name, "--role", role, "--url", self.url)

    def python(self, code: str) -> str:
        """What Python code prints in this home, with Django set up."""
        command = [sys.executable, "-c", "import django; django.setup()\n" + code]
        return subprocess.run(
            command, env=environment(self.home), check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    def child(self, word: str) -> int:
        """The process that was started for this part; waits for one."""
        return wait_for(lambda: children(self.up.pid, word), seconds=20)[0]


def environment(home: Path, **changes: str) -> dict[str, str]:
    """The variables of an installation in this home."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN_PLACE}
    return kept | {"WINNOW_HOME": str(home), "DJANGO_SETTINGS_MODULE": "winnow.settings"} | changes


@contextmanager
def running(home: Path, *options: str, **changes: str) -> Iterator[Installation]:
    """An installation that is ended on the way out."""
    command = [*WINNOW, "up", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(home, **changes)) as up:
        assert up.stdout is not None
        first_line = up.stdout.readline()
        found = re.match(r"Winnow is at (\S+)", first_line)
        assert found, f"winnow up did not start: {first_line!r}"
        try:
            yield Installation(home=home, up=up, url=found[1])
        finally:
            up.terminate()
            up.wait(30)


def children(pid: int, word: str = "") -> list[int]:
    """The direct children of a process whose command holds the word."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", word], capture_output=True, text=True)
    return [int(child) for child in found.stdout.split() if alive(int(child))]


def alive(pid: int) -> bool:
    """Whether a process is there and not waiting to be reaped."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def wait_for(look: Callable[[], T], *, seconds: float) -> T:
    """What ``look`` gives as soon as it is true; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.1)
    return seen
