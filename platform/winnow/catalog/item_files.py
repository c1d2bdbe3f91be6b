"""Files of items: CSV and Parquet, one item a row, every row checked."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from recommenders.errors import InvalidData
from winnow.catalog.models import Item

TAG = "|"  # between the tags of an item
TEXT, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")
LONGEST = 200  # characters of an id and of a category
YES, NO = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
USUAL: Mapping[str, tuple[str, ...]] = {
    "text": ("title", "name", "text", "description"),
    "category": ("category",),
    "price": ("price",),
    "tags": ("tags",),
    "available": ("available",),
}

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFields:
    """Which column of a file holds what. None: the usual name, if the file has it."""

    item: str = "item_id"
    texts: tuple[str, ...] | None = None  # joined by spaces
    category: str | None = None
    price: str | None = None
    tags: str | None = None  # separated by |
    available: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file of items: the valid ones, the fields that it has, and one sentence for each row that breaks a rule."""

    items: tuple[Item, ...]
    fields: tuple[str, ...]
    broken: tuple[str, ...]


def check_items(path: Path, fields: ItemFields) -> Checked:
    """Read a file of items without importing it. Raises InvalidData where it cannot be read."""
    columns, rows = _open(path)
    wanted = _columns(fields, columns, path.name)
    items: list[Item] = []
    broken: list[str] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            item = _item(row, wanted)
            if item.item_id in seen:
                raise InvalidData(fields.item, f"{item.item_id!r} is also in {seen[item.item_id]}")
        except InvalidData as error:
            broken.append(f"{where}: {error}")
            continue
        seen[item.item_id] = where
        items.append(item)
    if not items and not broken:
        raise InvalidData("file", f"{path.name} has no rows")
    return Checked(items=tuple(items), fields=tuple(name for name in wanted if name != "item_id"), broken=tuple(broken))


def _columns(fields: ItemFields, columns: tuple[str, ...], file: str) -> Mapping[str, tuple[str, ...]]:
    """Field of an item → the columns that it is made of; fields without any are left out."""
    single = {"category": fields.category, "price": fields.price, "tags": fields.tags, "available": fields.available}
    asked: dict[str, tuple[str, ...]] = {"item_id": (fields.item,)}
    asked |= {name: (column,) for name, column in single.items() if column is not None}
    if fields.texts is not None:
        asked["text"] = fields.texts
    for column in (column for names in asked.values() for column in names):
        if column not in columns:
            raise InvalidData(column, f"{file} has no such column; it has {', '.join(columns)}")
    usual = {name: tuple(one for one in names if one in columns) for name, names in USUAL.items()}
    return {name: names for name, names in (usual | asked).items() if names}


def _item(row: Row, wanted: Mapping[str, tuple[str, ...]]) -> Item:
    values: dict[str, object] = {}
    for name, columns in wanted.items():
        if name == "text":
            values[name] = " ".join(filter(None, (row[column].strip() for column in columns)))
            continue
        try:
            values[name] = PARSERS[name](row[columns[0]].strip())
        except ValueError as error:
            raise InvalidData(columns[0], str(error)) from None
    return Item(**values)


def _id(text: str) -> str:
    if not text:
        raise ValueError("is missing; every item needs an id")
    return _short(text)


def _short(text: str) -> str:
    if len(text) > LONGEST or "\0" in text:
        raise ValueError(f"{text[:40]!r}… must have at most {LONGEST} characters and no NUL")
    return text


def _price(text: str) -> float | None:
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise ValueError(f"{text!r} must be a number from 0 up, or empty")
    return price


def _tags(text: str) -> list[str]:
    return [tag for tag in map(str.strip, text.split(TAG)) if tag]


def _available(text: str) -> bool:
    if text.lower() not in (*YES, *NO, ""):
        raise ValueError(f"{text!r} must be true or false")
    return text.lower() not in NO


PARSERS: Mapping[str, Callable[[str], object]] = {
    "item_id": _id,
    "category": _short,
    "price": _price,
    "tags": _tags,
    "available": _available,
}


def _open(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, Row]]]:
    """The columns of a file, and its rows with where each one is."""
    kinds = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if not path.is_file():
        raise InvalidData("file", f"there is no file {path}")
    if kinds and kinds[-1] in PARQUET:
        return _open_parquet(path)
    if kinds and kinds[-1] in TEXT:
        rows = _lines(path, "\t" if kinds[-1] == ".tsv" else ",")
        columns = next(rows, ("", {}))[1]
        return tuple(columns), rows
    raise InvalidData("file", f"{path.name} must end in {', '.join((*TEXT, *PARQUET))}, or one of them and .gz")


def _lines(path: Path, delimiter: str) -> Iterator[tuple[str, Row]]:
    """First the header, as a row of its own names, then every row."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True, restval="")
            yield "header", {name: name for name in reader.fieldnames or ()}
            for row in reader:
                if None in row:
                    raise InvalidData("file", f"{path.name}, line {reader.line_num}: more values than columns")
                yield f"line {reader.line_num}", row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData("file", f"{path.name} cannot be read: {error}") from None


def _open_parquet(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, Row]]]:
    try:
        with duckdb.connect() as connection:
            relation = connection.read_parquet(str(path))
            columns = tuple(map(str, relation.columns))
            found = relation.select(", ".join(map(_as_text, columns, map(str, relation.types)))).fetchall()
    except duckdb.Error as error:
        raise InvalidData("file", f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    rows = (dict(zip(columns, map(str, row), strict=True)) for row in found)
    return columns, ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _as_text(column: str, kind: str) -> str:
    quoted = '"' + column.replace('"', '""') + '"'
    text = f"ARRAY_TO_STRING({quoted}, '{TAG}')" if kind.endswith("[]") else f"{quoted}::VARCHAR"
    return f"COALESCE({text}, '')"
