"""``winnow strategies``, ``train`` and ``evaluate``: what an engineer does with a strategy, without pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from pathlib import Path

import click
from django.conf import settings
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from recommenders import registry
from recommenders.base import config_to
from recommenders.contracts import Budget, Interactions
from recommenders.data.complete_journey import fetch, load_complete_journey
from recommenders.data.sequences import load_sequences
from recommenders.data.tables import EventColumns, ItemColumns, load_tables
from recommenders.errors import MissingExtra, RecommendersError
from recommenders.models import Family, StrategyVersion
from recommenders.offline.evaluation import evaluate as evaluate_offline
from recommenders.offline.rendering import to_json_text, to_markdown, to_text
from recommenders.services import register_version
from recommenders.training import train as train_version

COMPLETE_JOURNEY = "complete-journey"
COLUMNS = (TextColumn("{task.description:44}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())

Command = Callable[..., None]


def data_options(command: Command) -> Command:
    """The options that say what to learn from; the command gets ``data``, the interactions."""

    @click.option("--data", "source", required=True, metavar="FILE", help="Events, or complete-journey to download it.")
    @click.option("--user", default="user_id", metavar="COLUMN", show_default=True)
    @click.option("--item", default="item_id", metavar="COLUMN", show_default=True)
    @click.option("--time", "moment", metavar="COLUMN", help="Seconds, or dates; without it rows are in order.")
    @click.option("--kind", metavar="COLUMN", help="view, click, favourite, purchase or rating.")
    @click.option("--value", metavar="COLUMN", help="A quantity, or with --rated a rating.")
    @click.option("--rated", is_flag=True, help="Values are ratings.")
    @click.option("--items", type=click.Path(path_type=Path), metavar="FILE", help="The items and their features.")
    @click.option("--text", multiple=True, metavar="COLUMN", help="Of the items: titles, descriptions.")
    @click.option("--category", metavar="COLUMN", help="Of the items.")
    @click.option("--price", metavar="COLUMN", help="Of the items.")
    @click.option("--tags", metavar="COLUMN", help="Of the items, separated by |.")
    @wraps(command)
    def with_data(
        source: str,
        user: str,
        item: str,
        moment: str | None,
        kind: str | None,
        value: str | None,
        rated: bool,
        items: Path | None,
        text: tuple[str, ...],
        category: str | None,
        price: str | None,
        tags: str | None,
        **others: object,
    ) -> None:
        columns = EventColumns(user=user, item=item, time=moment, kind=kind, value=value, rated=rated)
        features = ItemColumns(item=item, texts=text, category=category, price=price, tags=tags)
        try:
            command(data=_load(source, columns, items, features), **others)
        except RecommendersError as error:
            raise click.ClickException(str(error)) from None

    return with_data


def _load(source: str, columns: EventColumns, items: Path | None, features: ItemColumns) -> Interactions:
    if source == COMPLETE_JOURNEY:
        folder = settings.HOME / "data"
        fetch(folder)
        return load_complete_journey(folder)
    path = Path(source)
    if path.name.removesuffix(".gz").endswith(".txt"):
        return load_sequences(path)
    return load_tables(path, columns, items=items, item_columns=features)


@click.command()
def strategies() -> None:
    """List every strategy that is installed, with its configuration and its trained versions."""
    trained: dict[str, list[str]] = {}
    for row in StrategyVersion.objects.select_related("strategy").order_by("id"):
        trained.setdefault(row.strategy.key, []).append(row.version)
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
            click.echo(f"    versions: {', '.join(trained[key])}")


@click.command()
@click.argument("key")
@click.option("--set", "assignments", multiple=True, metavar="FIELD=VALUE", help="Of the configuration; JSON values.")
@click.option("--seed", default=0, show_default=True)
@click.option("--seconds", default=300.0, show_default=True, help="Of training, at most.")
@click.option("--threads", default=1, show_default=True)
@data_options
def train(key: str, assignments: tuple[str, ...], seed: int, seconds: float, threads: int, data: Interactions) -> None:
    """Train the strategy KEY and store it as a version that never changes.

    \b
    winnow train item-knn --data sequences.txt.gz
    winnow train ease --data events.parquet --user customer --item product --time at --set regularisation=200
    """
    with _bar(key) as progress:
        name, manifest = train_version(
            key,
            data,
            settings.HOME / "artefacts",
            config=dict(map(_assignment, assignments)),
            seed=seed,
            budget=Budget(seconds=seconds, threads=threads),
            progress=progress,
            code_version=version("winnow-platform"),
        )
    kind = registry.strategy_class(key)
    register_version(
        key=key,
        version=name,
        name=kind.name,
        family=Family(kind.family),
        description=kind.description,
        origin=f"trained on data {manifest.data[:12]} with seed {seed}",
    )
    click.echo(f"{key}@{name}: {settings.HOME / 'artefacts' / key / name}")
    for field, value in manifest.report.items():
        click.echo(f"    {field}: {value}")


@click.command()
@click.argument("keys", nargs=-1, required=True)
@click.option(
    "--split", default="leave-last-out", show_default=True, help="Or leave-last-out:1, a moment, last-days:28."
)
@click.option("--k", default=10, show_default=True, help="Length of the lists.")
@click.option("--new-only", is_flag=True, help="Items that a user had are neither recommended nor to be found.")
@click.option("--seed", default=0, show_default=True)
@click.option("--seconds", default=300.0, show_default=True, help="Of each training, at most.")
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@data_options
def evaluate(
    keys: tuple[str, ...], split: str, k: int, new_only: bool, seed: int, seconds: float, form: str, data: Interactions
) -> None:
    """Judge the strategies KEYS offline, beside popularity, the user's own favourites and item-to-item neighbours.

    \b
    winnow evaluate item-knn ease --data sequences.txt.gz --new-only
    """
    with _bar("evaluate") as progress:
        report = evaluate_offline(
            keys,
            data,
            split=split,
            k=k,
            new_only=new_only,
            seed=seed,
            budget=Budget(seconds=seconds),
            progress=progress,
        )
    click.echo({"text": to_text, "md": to_markdown, "json": to_json_text}[form](report).rstrip("\n"))


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
