"""Profiles as features: the columns of users and items, for strategies and for whoever analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Floats, Items
from recommenders.profiles.computation import ITEMS, USERS
from recommenders.profiles.figures import SEGMENTS, USER_FIGURES
from winnow.catalog.models import ProfileVersion
from winnow.catalog.profiles import folder_of
from winnow.events.warehouse import connect, parquet

Record = Mapping[str, object]


def user_figures(version: ProfileVersion, user_ids: Sequence[str]) -> Mapping[str, Floats]:
    """Every figure of these users, by its key: float32, shape (users,), in the order given.

    nan where a user has no profile, or the figure is not known of them. A strategy that wants figures reads them in
    ``fit`` by the ids of its data (``data.user_ids``) and keeps what it needs in its state.
    """
    keys = [figure.key for figure in USER_FIGURES]
    columns = ", ".join(f"CAST({key} AS FLOAT) AS {key}" for key in keys)
    with connect() as connection:
        frame = connection.execute(
            f"SELECT {columns} FROM (SELECT UNNEST($ids) AS user_id, UNNEST(RANGE(LEN($ids))) AS place)"  # noqa: S608
            f" LEFT JOIN {_files(version, USERS)} USING (user_id) ORDER BY place",
            {"ids": list(user_ids)},
        ).df()
    return {key: frame[key].to_numpy(dtype=np.float32) for key in keys}


def user_segments(version: ProfileVersion, user_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The segment of each of these users, by the key of the segments; "none" where a user has no profile."""
    keys = [segment.key for segment in SEGMENTS]
    columns = ", ".join(f"COALESCE(segment_{key}, 'none') AS {key}" for key in keys)
    with connect() as connection:
        frame = connection.execute(
            f"SELECT {columns} FROM (SELECT UNNEST($ids) AS user_id, UNNEST(RANGE(LEN($ids))) AS place)"  # noqa: S608
            f" LEFT JOIN {_files(version, USERS)} USING (user_id) ORDER BY place",
            {"ids": list(user_ids)},
        ).df()
    return {key: tuple(map(str, frame[key])) for key in keys}


def fill_items(version: ProfileVersion, items: Items) -> Items:
    """The same items with the texts, categories and prices that events told where the catalogue is silent."""
    with connect() as connection:
        rows = connection.execute(
            f"SELECT item_id, text, category, price FROM {_files(version, ITEMS)}"  # noqa: S608
            " SEMI JOIN (SELECT UNNEST($ids) AS item_id) USING (item_id)",
            {"ids": list(items.ids)},
        ).fetchall()
    told = {str(row[0]): (str(row[1]), str(row[2]), row[3]) for row in rows}
    nothing = ("", "", None)
    known = [told.get(item_id, nothing) for item_id in items.ids]
    texts = tuple(own or row[0] for own, row in zip(items.texts or [""] * len(items), known, strict=True))
    codes = items.categories if items.categories is not None else [-1] * len(items)
    categories = [items.category_names[code] if code >= 0 else row[1] for code, row in zip(codes, known, strict=True)]
    names = tuple(sorted(set(categories) - {""}))
    place = {name: number for number, name in enumerate(names)} | {"": -1}
    prices = _prices(items, [row[2] for row in known])
    return replace(
        items,
        texts=texts if any(texts) else None,
        categories=np.array([place[one] for one in categories], dtype=np.int32) if names else None,
        category_names=names,
        prices=prices if np.isfinite(prices).any() else None,
    )


def find_user(version: ProfileVersion, user_id: str) -> Record | None:
    """The profile of one user; None where there is none."""
    return _find(version, USERS, "user_id", user_id)


def find_item(version: ProfileVersion, item_id: str) -> Record | None:
    """The profile of one item; None where there is none."""
    return _find(version, ITEMS, "item_id", item_id)


def relation_of(version: ProfileVersion) -> str:
    """The SELECT of the ``profiles`` relation that experiments read: docs/queries.md.

    One row per user: ``user_id``, every figure as a whole number, every segment as a text.
    """
    figures = [f"CAST(ROUND({one.key} * {one.scale}) AS BIGINT) AS {one.key}" for one in USER_FIGURES]
    segments = [f"segment_{one.key} AS {one.key}" for one in SEGMENTS]
    columns = ", ".join(["user_id", *figures, *segments])
    return f"SELECT {columns} FROM {_files(version, USERS)}"  # noqa: S608  (names of ours)


def _find(version: ProfileVersion, file: str, column: str, value: str) -> Record | None:
    with connect() as connection:
        cursor = connection.execute(
            f"SELECT * FROM {_files(version, file)} WHERE {column} = $value",  # noqa: S608  (names of ours)
            {"value": value},
        )
        names = [one[0] for one in cursor.description]
        row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row else None


def _prices(items: Items, told: Sequence[object]) -> npt.NDArray[np.float32]:
    own = items.prices if items.prices is not None else np.full(len(items), np.nan, dtype=np.float32)
    other = np.array([np.nan if price is None else float(str(price)) for price in told], dtype=np.float32)
    return np.where(np.isfinite(own), own, other).astype(np.float32)


def _files(version: ProfileVersion, file: str) -> str:
    return parquet([str(folder_of(version) / file)])
