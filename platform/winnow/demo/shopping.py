"""The demo's second half: strategies trained on groceries, compared offline, and put into an experiment."""

from __future__ import annotations

import time
from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from experiments.errors import UnknownExperiment
from experiments.selectors import find_experiment
from experiments.services import lifecycle
from recommenders.models import OfflineEvaluation, StrategyVersion
from recommenders.offline.rendering import to_text
from recommenders.offline.report import report_from_json
from winnow.accounts.keys import create_api_key, revoke_api_key
from winnow.accounts.models import Scope
from winnow.catalog.interactions import COMPLETE_JOURNEY
from winnow.demo import groceries
from winnow.demo.client import Client, DemoFailed
from winnow.demo.groceries import behaviour
from winnow.jobs.comparison import Question, request_comparison
from winnow.jobs.models import Job, State
from winnow.jobs.training import request_training

BY = "demo"
VISITS = 100  # in a request
CANDIDATES = ("content",)  # beside the references, which are always judged too
COLUMNS = (TextColumn("   {task.description:44}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())


def run(url: str, console: Console) -> None:
    """Train, compare, and let simulated households shop. What an earlier run has done is not done again."""
    console.print("[bold]4. Strategies[/] on 1.46 million purchases (Complete Journey), by the Celery worker")
    console.print("   SIMULATED: these purchases were simulated from real patterns by who published them")
    versions = train(console)
    compare(console)
    console.print("[bold]5. Shopping[/] (simulated) with lists from POST /api/v1/recommendations")
    if create(versions):
        shop(url, console)
    else:
        console.print("   every household has shopped")


def train(console: Console) -> Mapping[str, str]:
    """A version of each strategy, trained on what was bought before the experiment."""
    until = groceries.START.isoformat()
    trained = {
        row.strategy.key: row.version
        for row in StrategyVersion.objects.filter(strategy__key__in=groceries.STRATEGIES, created_by=BY)
        .select_related("strategy")
        .order_by("id")
    }
    missing = [key for key in groceries.STRATEGIES if key not in trained]
    jobs = {
        f"train {key}": request_training(key, data=COMPLETE_JOURNEY, until=until, requested_by=BY) for key in missing
    }
    watch(jobs, console)
    found = trained | {job.subject: str(job.parameters["version"]) for job in jobs.values()}
    console.print("   " + ", ".join(f"{key}@{found[key]}" for key in groceries.STRATEGIES))
    return found


def compare(console: Console) -> None:
    """The offline comparison of the strategies on the purchases that they have not seen."""
    found = OfflineEvaluation.objects.filter(created_by=BY).first()
    if found is None:
        question = Question(strategies=CANDIDATES, data=COMPLETE_JOURNEY, split=groceries.START.date().isoformat())
        job = request_comparison(question, requested_by=BY)
        watch({"compare offline": job}, console)
        found = OfflineEvaluation.objects.get(pk=job.parameters["evaluation"])
    console.print(to_text(report_from_json(found.report)), markup=False, highlight=False, soft_wrap=True)


def watch(jobs: Mapping[str, Job], console: Console) -> None:
    """Show how far jobs are until all are done. Raises DemoFailed if one fails."""
    with Progress(*COLUMNS, console=console) as progress:
        tasks = {name: progress.add_task(name, total=None) for name in jobs}
        while any(job.open for job in jobs.values()):
            time.sleep(0.1)
            for name, job in jobs.items():
                job.refresh_from_db()
                progress.update(tasks[name], completed=job.done, total=job.total or None)
    failed = [f"{name}: {job.error}" for name, job in jobs.items() if job.state == State.FAILED]
    if failed:
        raise DemoFailed("; ".join(failed))


def create(versions: Mapping[str, str]) -> bool:
    """The running experiment; False where it was stopped by an earlier run."""
    try:
        return find_experiment(groceries.KEY).stopped_at is None
    except UnknownExperiment:
        with transaction.atomic():
            lifecycle.create(groceries.draft(versions), created_by=BY)
            lifecycle.start(groceries.KEY, at=groceries.START)
        return True


def shop(url: str, console: Console) -> None:
    """Every day of the experiment: ask for the lists of that day's visits, and send what the households did."""
    mark = settings.HOME / "demo" / f"{groceries.KEY}.days"
    done = int(mark.read_text()) if mark.exists() else 0
    days = list(groceries.visits(settings.HOME / "data"))
    keys = {scope: create_api_key(name="demo", scope=scope) for scope in (Scope.RECOMMEND, Scope.WRITE_EVENTS)}
    served = 0
    try:
        with Client(url) as client, Progress(*COLUMNS, console=console) as progress:
            task = progress.add_task(f"{sum(map(len, days)):,} visits", total=len(days), completed=done)
            for number, day in enumerate(days[done:], start=done + 1):
                for start in range(0, len(day), VISITS):
                    some = day[start : start + VISITS]
                    answer = client.recommend(groceries.question(some), key=keys[Scope.RECOMMEND])
                    lists = map(groceries.shown, answer)
                    events = [one for visit, made in zip(some, lists, strict=True) for one in behaviour(visit, made)]
                    client.send(events, key=keys[Scope.WRITE_EVENTS])
                    served += len(some)
                mark.write_text(str(number))
                progress.update(task, completed=number)
    finally:
        for key in keys.values():
            revoke_api_key(key)
    lifecycle.stop(groceries.KEY, at=groceries.STOP)
    console.print(f"   {served:,} lists of {groceries.LIST} items served, logged before they were answered")
