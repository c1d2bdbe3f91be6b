"""``winnow up``: broker, pages, worker and scheduler on one machine, started together and kept alive."""

from __future__ import annotations

import fcntl
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import NotSupportedError, OperationalError

from winnow import broker, processes, translations
from winnow.processes import CannotRun
from winnow.serving.counters import forget_dead_processes

logger = logging.getLogger(__name__)

EVERYWHERE = "0.0.0.0"  # noqa: S104  (only compared)
START_SECONDS = 60.0
QUICK_DEATH = 10.0  # seconds; a child that lives shorter did not really start
MOST_QUICK_DEATHS = 5


@dataclass(slots=True)
class Child:
    """One process of the stack."""

    name: str
    command: list[str]
    background: bool = False  # nobody waits for it
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0

    def start(self) -> None:
        self.process = processes.start(self.command, log=_logs() / f"{self.name}.log", background=self.background)
        self.started = time.monotonic()

    def restart_if_dead(self) -> None:
        """Start it again if it died; give up when it keeps dying at once."""
        if self.process is None or self.process.poll() is None:
            return
        killed = self.process.returncode == -signal.SIGKILL  # by somebody else: no fault of its own
        quick = not killed and time.monotonic() - self.started < QUICK_DEATH
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths >= MOST_QUICK_DEATHS:
            log = _logs() / f"{self.name}.log"
            raise CannotRun(f"the {self.name} died {self.quick_deaths} times at its start; {log} says why")
        time.sleep(0.2 + 0.5 * self.quick_deaths)
        self.start()


@dataclass(slots=True)
class Stack:
    """All processes of one installation. ``winnow up`` runs it; it ends with the process that made it."""

    host: str
    port: int
    children: list[Child] = field(default_factory=list)
    stopping: bool = False

    @property
    def url(self) -> str:
        """Where the pages are, seen from this machine."""
        return f"http://{'127.0.0.1' if self.host == EVERYWHERE else self.host}:{self.port}"

    def start(self) -> None:
        """Start every process; returns when the pages answer. Raises CannotRun."""
        if not port_is_free(self.host, self.port):
            raise CannotRun(f"port {self.port} of {self.host} is in use; choose another one with --port")
        if settings.BROKER_IS_EMBEDDED:
            if broker.end_leftover(settings.BROKER_SOCKET):
                logger.warning("ended the broker that an earlier launcher left behind")
            self._add("broker", broker.command(settings.BROKER_SOCKET))
            self._wait_for(lambda: broker.answers(settings.BROKER_SOCKET), "the broker")
        else:
            broker.require_external()
        self._add("web", web_command(self.host, self.port))
        self._add(
            "worker",
            celery_command("worker", "--concurrency=2", "--without-gossip", "--without-mingle"),
            background=True,
        )
        # The persistent scheduler keeps its state by pickle; all our entries are intervals and need none.
        self._add("scheduler", celery_command("beat", "--scheduler=celery.beat:Scheduler", "--pidfile="))
        self._wait_for(self._answers, "the web server")

    def run(self) -> None:
        """Keep every process alive until somebody asks for the end."""
        while not self.stopping:
            for child in self.children:
                child.restart_if_dead()
            time.sleep(0.3)

    def stop(self) -> None:
        """End every process, the broker last."""
        for child in reversed(self.children):
            if child.process is not None:
                processes.stop(child.process)

    def _add(self, name: str, command: list[str], *, background: bool = False) -> None:
        child = Child(name=name, command=command, background=background)
        child.start()
        self.children.append(child)

    def _wait_for(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            for child in self.children:
                child.restart_if_dead()
            if time.monotonic() > deadline:
                raise CannotRun(f"{what} did not answer within {START_SECONDS:.0f} seconds; see {_logs()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        name = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"  # others are refused
        request = Request(f"{self.url}/healthz", headers={"Host": name})  # noqa: S310  (http on this machine)
        try:
            with urlopen(request, timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def web_command(host: str, port: int) -> list[str]:
    """gunicorn with threads. One process: its requests share their commits, and nobody waits for SQLite's lock."""
    bind = f"{host}:{port}"
    options = ["--worker-class=gthread", "--workers=1", "--threads=16", "--graceful-timeout=5", "--no-control-socket"]
    options += ["--keep-alive=75"]  # longer than clients keep a connection, so that none is closed under a request
    return [sys.executable, "-m", "gunicorn", "winnow.wsgi:application", "--bind", bind, *options]


def celery_command(*words: str) -> list[str]:
    """A Celery process of this application."""
    return [sys.executable, "-m", "celery", "-A", "winnow", *words, "--loglevel=WARNING"]


def prepare() -> None:
    """Bring database and translations up to date, and look for what is wrong. Raises CannotRun."""
    settings.HOME.joinpath("engine").mkdir(exist_ok=True)
    translations.compile_catalogues()
    forget_dead_processes()
    _check()
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
    except (OperationalError, NotSupportedError) as error:
        raise CannotRun(f"the database cannot be used: {str(error).strip()}") from None


def _check() -> None:
    """Log what Django's checks warn of. Raises CannotRun for what they call an error."""
    found = [message for message in run_checks() if not message.is_silenced()]
    for message in found:
        if not message.is_serious():
            logger.warning("%s. %s", message.msg, message.hint or "")
    serious = [f"{message.msg}. {message.hint or ''}".strip() for message in found if message.is_serious()]
    if serious:
        raise CannotRun("\n".join(serious))


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the home for this process. Raises CannotRun if another one has it."""
    with (settings.RUNTIME / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"Winnow is running in {settings.HOME} already; stop that one first") from None
        yield


@contextmanager
def running(host: str, port: int) -> Iterator[Stack]:
    """A prepared and started stack, ended on the way out, on SIGTERM too."""
    stack = Stack(host=host, port=port)

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stack.stopping = True
        raise KeyboardInterrupt

    with only_one():
        prepare()
        before = signal.signal(signal.SIGTERM, ask_to_stop)
        try:
            stack.start()
            yield stack
        finally:
            signal.signal(signal.SIGTERM, before)
            stack.stop()


def port_is_free(host: str, port: int) -> bool:
    """Whether a server can listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _logs() -> Path:
    folder = settings.HOME / "log"
    folder.mkdir(exist_ok=True)
    return folder
