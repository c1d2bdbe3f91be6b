"""Files of events, row by row and in bounded memory: NDJSON, CSV and Parquet, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import orjson

LONGEST_LINE = 1_000_000  # bytes
ENVELOPE = {
    "message_id": "messageId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "event": "event",
    "timestamp": "timestamp",
}
NUMBERS = ("position", "value")
LEFT_OUT = ("received_at", "bucket", "day", "properties")  # columns of an exported lake that are made anew

Row = tuple[int, object]  # number from 1, header not counted, and the raw event


class BadFile(Exception):
    """A file cannot be read. The message says file, row and rule."""


def read_events(path: Path) -> Iterator[Row]:
    """The raw events of a file, in Segment's envelope. Raises BadFile."""
    if path.is_dir():
        raise BadFile(f"{path} is a folder, must be a file")
    if not path.exists():
        raise BadFile(f"{path} does not exist")
    prefix = file_prefix(path)
    rows = _of_parquet(path) if _is_parquet(path) else _of_text(path)
    for number, raw in rows:
        if isinstance(raw, dict):
            raw.setdefault("messageId", f"{prefix}-{number}")
            if raw.get("timestamp") in (None, ""):
                raise BadFile(f"{path}, row {number}, timestamp: is missing; a file must say when each event happened")
        yield number, raw


def file_prefix(path: Path) -> str:
    """What the message ids of a file without its own begin with: the same file always gives the same ids."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:24]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _of_text(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        lines = _lines(file, path)
        first = next(lines, None)
        if first is None:
            raise BadFile(f"{path} is empty")
        if first.lstrip().startswith("{"):
            yield from _of_ndjson(first, lines, path)
        else:
            yield from _of_csv(first, lines, path)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise BadFile(f"{path} is a broken or cut off gzip file") from None


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise BadFile(f"{path}, line {number}: has more than {LONGEST_LINE} bytes, must have at most that")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise BadFile(f"{path}, line {number}: is not UTF-8") from None


def _of_ndjson(first: str, rest: Iterator[str], path: Path) -> Iterator[Row]:
    for number, line in enumerate(chain([first], rest), start=1):
        if line.strip():
            yield number, _parsed(line, path, number)


def _parsed(line: str, path: Path, number: int) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadFile(f"{path}, row {number}: is not JSON: {error}") from None


def _of_csv(first: str, rest: Iterator[str], path: Path) -> Iterator[Row]:
    reader = csv.reader(chain([first], rest), strict=True)
    try:
        columns = next(reader)
        _check_columns(columns, path)
        for number, values in enumerate(reader, start=1):
            if len(values) != len(columns):
                raise BadFile(f"{path}, row {number}: has {len(values)} values, must have {len(columns)}")
            yield number, _raw(dict(zip(columns, values, strict=True)))
    except csv.Error as error:
        raise BadFile(f"{path}, line {reader.line_num}: is not CSV: {error}") from None


def _of_parquet(path: Path) -> Iterator[Row]:
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        cursor = connection.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [str(path)])
        columns = [column[0] for column in cursor.description]
        _check_columns(columns, path)
        number = 0
        while rows := cursor.fetchmany(1000):
            for values in rows:
                number += 1
                yield number, _raw(dict(zip(columns, values, strict=True)))
    except duckdb.Error:
        raise BadFile(f"{path} is a broken Parquet file") from None
    finally:
        connection.close()


def _check_columns(columns: list[str], path: Path) -> None:
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if doubled:
        raise BadFile(f"{path}: has the column {doubled[0]} twice")
    for needed in (("event",), ("timestamp",), ("user_id", "anonymous_id")):
        if not set(needed) & set(columns):
            raise BadFile(f"{path}: has no column {' or '.join(needed)}; it has {', '.join(columns)}")


def _raw(row: Mapping[str, str | None]) -> dict[str, object]:
    """A row of texts in Segment's envelope. Columns that the envelope does not know become properties."""
    raw: dict[str, object] = {name: row[column] for column, name in ENVELOPE.items() if row.get(column)}
    properties: dict[str, object] = {
        name: value
        for name, value in row.items()
        if value not in (None, "") and name not in ENVELOPE and name not in LEFT_OUT
    }
    packed = row.get("properties")
    if packed:
        try:
            properties = orjson.loads(packed) | properties
        except (orjson.JSONDecodeError, TypeError):
            properties["properties"] = packed
    for name in NUMBERS:
        if name in properties:
            properties[name] = _number(str(properties[name]))
    return raw | {"properties": properties}


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text  # the schema refuses it, with its field and value
