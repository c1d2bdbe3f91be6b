"""``winnow items``: the catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from recommenders.errors import InvalidData
from winnow.catalog.item_files import ItemFields
from winnow.catalog.items import import_items


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--item", default="item_id", metavar="COLUMN", show_default=True)
@click.option("--text", "texts", multiple=True, metavar="COLUMN", help="Title, name, text and description by default.")
@click.option("--category", metavar="COLUMN")
@click.option("--price", metavar="COLUMN", help="In the shop's currency.")
@click.option("--tags", metavar="COLUMN", help="Separated by |.")
@click.option("--available", metavar="COLUMN", help="true or false; what is not available is recommended to nobody.")
def items(
    file: Path,
    item: str,
    texts: tuple[str, ...],
    category: str | None,
    price: str | None,
    tags: str | None,
    available: str | None,
) -> None:
    """Bring the items of FILE into the catalogue: CSV or Parquet, one item a row.

    Columns of the usual names (category, price, tags, available) are found by themselves. Importing a file again
    changes what is there; items that the file does not name stay.
    """
    fields = ItemFields(item=item, texts=texts or None, category=category, price=price, tags=tags, available=available)
    try:
        click.echo(f"{import_items(file, fields)} items are in the catalogue as {file} has them")
    except InvalidData as error:
        raise click.ClickException(str(error)) from None
