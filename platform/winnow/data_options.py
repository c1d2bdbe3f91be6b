"""The options of a command that say what to learn from."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import click

from recommenders.data.tables import EventColumns, ItemColumns
from recommenders.errors import RecommendersError
from winnow.catalog.interactions import Source
from winnow.jobs.training_process import TrainingFailed

Command = Callable[..., None]


def data_options(command: Command) -> Command:
    """Options for the data; the command gets ``source``, and its errors become one sentence."""

    @click.option(
        "--data",
        "name",
        required=True,
        metavar="FILE",
        help="Events; lake for the platform's own, complete-journey, or complete-journey-campaigns.",
    )
    @click.option("--until", metavar="MOMENT", help="Only what happened before, such as 2026-01-31.")
    @click.option("--user", default="user_id", metavar="COLUMN", show_default=True)
    @click.option("--item", default="item_id", metavar="COLUMN", show_default=True)
    @click.option("--time", "moment", metavar="COLUMN", help="Seconds, or dates; without it rows are in order.")
    @click.option("--kind", metavar="COLUMN", help="view, click, favourite, purchase or rating.")
    @click.option("--value", metavar="COLUMN", help="A quantity, or with --rated a rating.")
    @click.option("--rated", is_flag=True, help="Values are ratings.")
    @click.option("--items", type=click.Path(), metavar="FILE", help="The items and their features.")
    @click.option("--text", multiple=True, metavar="COLUMN", help="Of the items: titles, descriptions.")
    @click.option("--category", metavar="COLUMN", help="Of the items.")
    @click.option("--price", metavar="COLUMN", help="Of the items.")
    @click.option("--tags", metavar="COLUMN", help="Of the items, separated by |.")
    @wraps(command)
    def with_source(
        name: str,
        until: str | None,
        user: str,
        item: str,
        moment: str | None,
        kind: str | None,
        value: str | None,
        rated: bool,
        items: str | None,
        text: tuple[str, ...],
        category: str | None,
        price: str | None,
        tags: str | None,
        **others: object,
    ) -> None:
        source = Source(
            name=name,
            until=until,
            columns=EventColumns(user=user, item=item, time=moment, kind=kind, value=value, rated=rated),
            items=items,
            item_columns=ItemColumns(item=item, texts=text, category=category, price=price, tags=tags),
        )
        try:
            command(source=source, **others)
        except (RecommendersError, TrainingFailed) as error:
            raise click.ClickException(str(error)) from None

    return with_source
