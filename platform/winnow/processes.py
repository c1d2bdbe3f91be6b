"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
NICE = 10  # a tenth of the time where somebody else wants it


class CannotRun(Exception):
    """An installation cannot start or go on. The message says why and what to do."""


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to end this process when its parent dies, even by SIGKILL. Does nothing outside Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def give_way() -> None:
    """Let others' work go first. Where Linux shares time between sessions, niceness is that of the session."""
    os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def start(command: Sequence[str], *, log: Path, background: bool = False) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches only the parent; what it prints goes to the log.

    One in the background gives way to the others.

    When its parent dies it is killed, not asked: a worker that is asked would first finish a job of an hour.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)
        if background:
            give_way()

    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603  (our own commands)
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=tie_to_parent,
            start_new_session=True,
            env=os.environ.copy(),
        )


def stop(child: subprocess.Popen[bytes], *, seconds: float = 10) -> None:
    """End a child, kindly at first."""
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
