"""The catalogue of items: what strategies learn from it, and how a file of items gets into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from django.db import transaction

from recommenders.contracts import Items
from recommenders.errors import InvalidData
from winnow.catalog.item_files import ItemFields, check_items
from winnow.catalog.models import Item

AT_ONCE = 1_000  # rows of one statement
SHOWN = 10  # broken rows that a message names


def catalogue() -> Items | None:
    """All items with the features that any of them has, in the order of ids; None where there are none."""
    rows = list(Item.objects.order_by("item_id").values_list("item_id", "text", "category", "price", "tags"))
    if not rows:
        return None
    ids, texts, categories, prices, tags = zip(*sorted(rows), strict=True)  # databases order texts in different ways
    names = sorted(set(categories) - {""})
    place = {name: number for number, name in enumerate(names)} | {"": -1}
    return Items(
        ids=ids,
        texts=texts if any(texts) else None,
        categories=np.array([place[one] for one in categories], dtype=np.int32) if names else None,
        category_names=tuple(names),
        prices=np.array(prices, dtype=np.float32) if any(price is not None for price in prices) else None,
        tags=tuple(map(tuple, tags)) if any(tags) else None,
    )


def import_items(path: Path, fields: ItemFields) -> int:
    """Bring the items of a CSV or Parquet file into the catalogue: all, or none where one breaks a rule.

    An item that is there gets what the file says; what the file has no column for stays as it was.

    Raises:
        InvalidData: the file cannot be read, a column does not exist, or rows break rules.
    """
    checked = check_items(path, fields)
    if checked.broken:
        shown = "\n".join(checked.broken[:SHOWN])
        raise InvalidData("file", f"{len(checked.broken)} rows of {path.name} break a rule; none was imported\n{shown}")
    with transaction.atomic():
        Item.objects.bulk_create(
            checked.items,
            batch_size=AT_ONCE,
            update_conflicts=True,
            unique_fields=["item_id"],
            update_fields=[*checked.fields, "updated_at"],
        )
    return len(checked.items)
