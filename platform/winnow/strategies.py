"""``winnow strategies``, ``train`` and ``evaluate``: what an engineer does with a strategy, without pages."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from recommenders import registry
from recommenders.base import config_to
from recommenders.contracts import BUDGET, Budget
from recommenders.errors import MissingExtra, RecommendersError
from recommenders.models import Strategy
from recommenders.offline.evaluation import evaluate as evaluate_offline
from recommenders.offline.rendering import to_json_text, to_markdown, to_text
from recommenders.services import artefact_root, make_current, record_evaluation
from recommenders.training import new_strategy
from winnow.catalog.interactions import NAMED, Source, read
from winnow.data_options import data_options
from winnow.jobs.training import check_budget, check_seed, pinned, request_training
from winnow.jobs.training_process import Order, Trained, train_apart

COLUMNS = (TextColumn("{task.description:44}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
GIGABYTE = 1_000_000_000
MOST_SECONDS = 7 * 24 * 3600.0  # of a training that somebody waits for


@click.group(invoke_without_command=True)
@click.pass_context
def strategies(ctx: click.Context) -> None:
    """List every strategy that is installed, with its configuration and its trained versions.

    \b
    winnow strategies
    winnow strategies use item-knn d96ea190006c
    """
    if ctx.invoked_subcommand is not None:
        return
    trained = {row.key: row for row in Strategy.objects.select_related("current").prefetch_related("versions")}
    for key in registry.places():
        try:
            kind = registry.strategy_class(key)
        except MissingExtra as error:
            click.echo(f"{key}\n    {error}")
            continue
        click.echo(f"{key}  {kind.name} ({kind.family})\n    {kind.description}")
        for name, value in config_to(kind.Config()).items():
            click.echo(f"    {name} = {json.dumps(value)}")
        if key in trained:
            click.echo(f"    versions: {_versions(trained[key])}")


@strategies.command("use")
@click.argument("key")
@click.argument("version")
def use_version(key: str, version: str) -> None:
    """Let VERSION of the strategy KEY serve where none is named: a newer one, or an older one to go back.

    Its files are checked first.
    """
    try:
        click.echo(f"{make_current(key, version)} is the current version")
    except RecommendersError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("key")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Of the configuration; JSON values.")
@click.option("--seed", default=0, show_default=True)
@click.option("--seconds", default=BUDGET.seconds, show_default=True, help="Of training, at most.")
@click.option("--memory", default=BUDGET.memory / GIGABYTE, show_default=True, help="In GB, beside the data.")
@click.option("--threads", default=BUDGET.threads, show_default=True)
@click.option("--current", is_flag=True, help="Let the new version serve at once; the first one always does.")
@click.option("--background", is_flag=True, help="Leave it to a worker.")
@data_options
def train(
    key: str,
    assignments: tuple[str, ...],
    seed: int,
    seconds: float,
    memory: float,
    threads: int,
    current: bool,
    background: bool,
    source: Source,
) -> None:
    """Train the strategy KEY and store it as a version that never changes.

    A training that is interrupted goes on where it was when the same command is given again.

    \b
    winnow train item-knn --data sequences.txt.gz
    winnow train sequence --data lake --background
    winnow train ease --data events.parquet --user customer --item product --time at --set regularisation=200
    """
    config = dict(map(_assignment, assignments))
    budget = Budget(seconds=seconds, memory=int(memory * GIGABYTE), threads=threads)
    if background:
        if source.name not in NAMED:
            raise click.ClickException(f"--background: a worker reads {' or '.join(NAMED)}, not {source.name!r}")
        job = request_training(
            key,
            data=source.name,
            until=source.until,
            config=config,
            seed=seed,
            budget=budget,
            requested_by=_who(),
            current=current,
        )
        click.echo(f"job {job.pk}: a worker trains {key}")
        return
    new_strategy(key, config)
    check_seed(seed)
    check_budget(budget, most_seconds=MOST_SECONDS)
    order = Order(key=key, source=pinned(source), config=config, seed=seed, budget=budget)
    with _bar(key) as progress:
        trained = train_apart(order, progress, created_by=_who(), current=current)
    _report(key, trained)


@click.command()
@click.argument("keys", nargs=-1, required=True)
@click.option(
    "--split", default="leave-last-out", show_default=True, help="Or leave-last-out:1, a moment, last-days:28."
)
@click.option("--k", default=10, show_default=True, help="Length of the lists.")
@click.option("--new-only", is_flag=True, help="Items that a user had are neither recommended nor to be found.")
@click.option("--seed", default=0, show_default=True)
@click.option("--seconds", default=BUDGET.seconds, show_default=True, help="Of each training, at most.")
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.option("--store/--no-store", default=True, show_default=True, help="Keep it, so that the pages show it.")
@data_options
def evaluate(
    keys: tuple[str, ...],
    split: str,
    k: int,
    new_only: bool,
    seed: int,
    seconds: float,
    form: str,
    store: bool,
    source: Source,
) -> None:
    """Judge the strategies KEYS offline, beside popularity, the user's own favourites and item-to-item neighbours.

    \b
    winnow evaluate item-knn ease --data sequences.txt.gz --new-only
    """
    found = read(pinned(source))
    with _bar("evaluate") as progress:
        report = evaluate_offline(
            keys,
            found.data,
            split=split,
            k=k,
            new_only=new_only,
            seed=seed,
            budget=Budget(seconds=seconds),
            progress=progress,
        )
    report = replace(report, notes=(*report.notes, *found.remarks))
    if store:
        record_evaluation(
            report,
            data=found.name,
            keys=keys,
            created_by=_who(),
            code_version=version("winnow-platform"),
        )
    click.echo({"text": to_text, "md": to_markdown, "json": to_json_text}[form](report).rstrip("\n"))


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return ""


def _versions(strategy: Strategy) -> str:
    rows = sorted(strategy.versions.all(), key=lambda row: row.pk)
    return ", ".join(f"{row.version} (current)" if row == strategy.current else row.version for row in rows)


def _report(key: str, trained: Trained) -> None:
    current = (
        "the current version" if trained.current else f"winnow strategies use {key} {trained.version} makes it serve"
    )
    click.echo(f"{key}@{trained.version}: {artefact_root() / key / trained.version} ({current})")
    for field, value in trained.manifest.report.items():
        click.echo(f"    {field}: {value}")


def _assignment(text: str) -> tuple[str, object]:
    """FIELD=VALUE, the value as JSON or else as text.

    >>> _assignment("decay=0.6"), _assignment("encoder=gru")
    (('decay', 0.6), ('encoder', 'gru'))
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.ClickException(f"--set: “{text}” must be FIELD=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@contextmanager
def _bar(name: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on the error stream."""
    with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda share, step: progress.update(task, completed=share, description=f"{name}: {step}")
