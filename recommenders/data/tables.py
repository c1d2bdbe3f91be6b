"""CSV and Parquet files with one event a row, and a second file with one item a row if there is one, read by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from recommenders.contracts import Interactions, Items, Kind
from recommenders.errors import InvalidData

TAG = "|"  # between the tags of an item
PARQUET, TEXT = (".parquet", ".pq"), (".csv", ".tsv", ".txt")

Column = npt.NDArray[np.generic]
Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """What the columns of the events are called. None: there is no such column.

    ``time`` holds numbers (seconds since 1970, or any that order events) or dates and times, UTC where no zone is
    given; without it rows are in the order of time. ``kind`` holds names or numbers of :class:`Kind`; without it all
    are purchases. ``value`` holds quantities, or ratings where ``rated``.
    """

    user: str = "user_id"
    item: str = "item_id"
    time: str | None = None
    kind: str | None = None
    value: str | None = None
    rated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """What the columns of the items are called. ``texts`` are joined by spaces; tags are separated by ``|``."""

    item: str = "item_id"
    texts: tuple[str, ...] = ()
    category: str | None = None
    price: str | None = None
    tags: str | None = None


def load_tables(
    events: Path,
    columns: EventColumns | None = None,
    *,
    items: Path | None = None,
    item_columns: ItemColumns | None = None,
) -> Interactions:
    """The interactions of a file of events. Without a file of items, the items are those of the events.

    Ids are texts, in ascending order. In CSV nothing is guessed: ``007`` stays ``007``.

    Raises:
        InvalidData: a file cannot be read or is empty, a column does not exist, an id is missing, a value is no number,
            a time is none, a kind is unknown, or an event names an item that the file of items does not have.
    """
    names = columns or EventColumns()
    wanted = {"user": names.user, "item": names.item, "time": names.time, "kind": names.kind, "value": names.value}
    given = {role: name for role, name in wanted.items() if name is not None}
    found = _read(events, tuple(given.values()), when=names.time)
    who, user_ids = _codes(_ids(found[names.user], names.user, events.name))
    texts = _ids(found[names.item], names.item, events.name)
    catalogue = Items(ids=_codes(texts)[1]) if items is None else load_items(items, item_columns)
    what = _places(texts, catalogue, (items or events).name)
    return Interactions.build(
        users=who,
        items=what,
        times=None if names.time is None else _times(found[names.time], names.time, events.name),
        kinds=None if names.kind is None else _kinds(found[names.kind], names.kind, events.name),
        values=None if names.value is None else _numbers(found[names.value], names.value, events.name),
        catalogue=catalogue,
        user_ids=user_ids,
        rated=names.rated,
    )


def load_items(path: Path, columns: ItemColumns | None = None) -> Items:
    """The items of a file, with the features that are named. Raises InvalidData as :func:`load_tables` does."""
    names = columns or ItemColumns()
    single = (names.category, names.price, names.tags)
    found = _read(path, (names.item, *names.texts, *(name for name in single if name is not None)))
    ids = _ids(found[names.item], names.item, path.name)
    texts = [_texts(found[name]) for name in names.texts]
    categories = None if names.category is None else _codes(_texts(found[names.category]), missing="")
    prices = None if names.price is None else _numbers(found[names.price], names.price, path.name, missing=True)
    return Items(
        ids=tuple(ids.tolist()),
        texts=tuple(" ".join(filter(None, parts)) for parts in zip(*texts, strict=True)) if texts else None,
        categories=categories[0] if categories else None,
        category_names=categories[1] if categories else (),
        prices=None if prices is None else prices.astype(np.float32),
        tags=None if names.tags is None else tuple(map(_tags, _texts(found[names.tags]).tolist())),
    )


def _read(path: Path, names: tuple[str, ...], *, when: str | None = None) -> Columns:
    """These columns of a file, as texts; times as seconds where the file itself knows that they are times."""
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            relation = _relation(connection, path)
            types = dict(zip(map(str, relation.columns), map(str, relation.types), strict=True))
            for name in names:
                if name not in types:
                    raise InvalidData(name, f"{path.name} has no such column; it has {', '.join(types)}")
            asked = dict.fromkeys(names)
            selected = ", ".join(_expression(name, types[name], when) for name in asked)
            # positions, not names: DuckDB takes user_id and USER_ID for the same
            arrays = [np.asarray(column) for column in relation.select(selected).df().to_numpy(dtype=object).T]
    except duckdb.Error as error:
        raise InvalidData("file", f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    if not arrays or not arrays[0].size:
        raise InvalidData("file", f"{path.name} has no rows")
    return dict(zip(asked, arrays, strict=True))


def _relation(connection: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    kinds = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not path.is_file():
        raise InvalidData("file", f"there is no file {path}")
    if kinds and kinds[-1] in PARQUET:
        return connection.read_parquet(str(path))
    if kinds and kinds[-1] in TEXT:
        return connection.read_csv(str(path), header=True, all_varchar=True)
    raise InvalidData("file", f"{path.name} must end in {', '.join((*TEXT, *PARQUET))}, or one of them and .gz")


def _expression(name: str, kind: str, when: str | None) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if name == when and kind.startswith(("TIMESTAMP", "DATE")):
        return f"epoch({quoted})::VARCHAR"
    return f"{quoted}::VARCHAR"


def _ids(column: Column, name: str, file: str) -> Column:
    missing = pd.isna(column) | (column == "")
    if missing.any():
        first = int(np.flatnonzero(missing)[0]) + 1
        raise InvalidData(name, f"{file}: {int(missing.sum())} rows have no id, the first is row {first}")
    return column


def _texts(column: Column) -> Column:
    return np.where(pd.isna(column), "", column)


def _codes(column: Column, missing: str | None = None) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """The place of each text among the distinct ones, in ascending order; -1 where it is ``missing``."""
    named = pd.Series(column)
    codes, names = pd.factorize(named if missing is None else named.mask(named == missing), sort=True)
    return np.asarray(codes, dtype=np.int32), tuple(map(str, names))


def _places(texts: Column, catalogue: Items, file: str) -> npt.NDArray[np.int64]:
    places = np.asarray(pd.Index(catalogue.ids).get_indexer(pd.Index(texts)), dtype=np.int64)
    unknown = places < 0
    if unknown.any():
        one = texts[unknown][0]
        raise InvalidData("items", f"{int(unknown.sum())} events name items that {file} does not have, such as {one!r}")
    return places


def _numbers(column: Column, name: str, file: str, *, missing: bool = False) -> npt.NDArray[np.float64]:
    """Finite numbers; nan where there is none, if that may be."""
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    absent = pd.isna(column) | (column == "") if missing else np.zeros(column.size, dtype=bool)
    _refuse(~np.isfinite(numbers) & ~absent, column, name, file, "must be a number")
    return np.where(absent, np.nan, numbers)


def _times(column: Column, name: str, file: str) -> npt.NDArray[np.int64]:
    """Whole seconds, rounded down; texts are read as dates and times if they are not all numbers."""
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    if not np.isfinite(numbers).any():
        stamps = pd.to_datetime(pd.Series(column), errors="coerce", utc=True, format="ISO8601")
        numbers = np.where(stamps.isna(), np.nan, stamps.astype("datetime64[us, UTC]").astype("int64") / 1e6)
    _refuse(~np.isfinite(numbers), column, name, file, "must be a number or a time such as 2026-01-31 18:00:00")
    return np.floor(numbers).astype(np.int64)


def _kinds(column: Column, name: str, file: str) -> npt.NDArray[np.int8]:
    known = {kind.name.lower(): int(kind) for kind in Kind} | {str(int(kind)): int(kind) for kind in Kind}
    kinds = np.array([known.get(str(one).strip().lower(), -1) for one in column.tolist()], dtype=np.int8)
    _refuse(kinds < 0, column, name, file, f"must be one of {', '.join(kind.name.lower() for kind in Kind)}")
    return kinds


def _tags(text: str) -> tuple[str, ...]:
    return tuple(tag for tag in map(str.strip, text.split(TAG)) if tag)


def _refuse(broken: npt.NDArray[np.bool_], column: Column, name: str, file: str, rule: str) -> None:
    if broken.any():
        first = int(np.flatnonzero(broken)[0])
        raise InvalidData(name, f"{file}, row {first + 1}: {column[first]!r} {rule}")
