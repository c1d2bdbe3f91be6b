"""Files of events, row by row and in bounded memory: NDJSON and CSV, plain or gzip, and Parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import file_digest
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import orjson

from winnow.events.schema import BadEvent
from winnow.events.warehouse import connect

LONGEST_LINE = 1_000_000  # bytes
ENVELOPE = {
    "message_id": "messageId",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "event": "event",
    "timestamp": "timestamp",
}
SEGMENT_ONLY = {name for column, name in ENVELOPE.items() if column != name}
NUMBERS = ("position", "value")
LEFT_OUT = ("received_at", "bucket", "day", "properties")  # columns of an exported lake that are made anew

# The number from 1, header not counted, and the raw event; or a BadEvent for a row that cannot be read as one.
Row = tuple[int, object]


class BadFile(Exception):
    """A file cannot be read. The message says file, row and rule."""


def read_events(path: Path) -> Iterator[Row]:
    """The raw events of a file, in Segment's envelope. Raises BadFile."""
    try:
        if path.is_dir():
            raise BadFile(f"{path} is a folder, must be a file")
        if not path.exists():
            raise BadFile(f"{path} does not exist")
        prefix = file_prefix(path)
        for number, raw in _of_parquet(path) if _is_parquet(path) else _of_text(path):
            yield number, _completed(raw, f"{prefix}-{number}") if isinstance(raw, dict) else raw
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from None


def _completed(raw: dict[str, object], message_id: str) -> object:
    if raw.get("timestamp") in (None, ""):
        return BadEvent("timestamp", "is missing; a file must say when each event happened")
    return raw if raw.get("messageId") else raw | {"messageId": message_id}


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
        if first.lstrip().startswith("["):
            raise BadFile(f"{path} is a JSON list, must have one JSON object a line")
        if first.lstrip().startswith("{"):
            yield from _of_ndjson(first, lines)
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


def _of_ndjson(first: str, rest: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(chain([first], rest), start=1):
        if line.strip():
            yield number, _parsed(line)


def _parsed(line: str) -> object:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadEvent("", f"is not JSON: {error}")
    return _raw(row) if isinstance(row, dict) and not SEGMENT_ONLY & row.keys() else row


def _of_csv(first: str, rest: Iterator[str], path: Path) -> Iterator[Row]:
    reader = csv.reader(chain([first], rest), strict=True)
    try:
        columns = next(reader)
        _check_columns(columns, path)
        for number, values in enumerate(reader, start=1):
            if len(values) == len(columns):
                yield number, _raw(dict(zip(columns, values, strict=True)))
            elif values:  # an empty line is none
                yield number, BadEvent("", f"has {len(values)} values, must have {len(columns)}")
    except csv.Error as error:
        raise BadFile(f"{path}, line {reader.line_num}: is not CSV: {error}") from None


def _of_parquet(path: Path) -> Iterator[Row]:
    connection = connect()
    try:
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


def _raw(row: Mapping[str, object]) -> dict[str, object]:
    """A row with the lake's columns in Segment's envelope. Columns that neither knows become properties."""
    raw: dict[str, object] = {name: row[column] for column, name in ENVELOPE.items() if row.get(column)}
    properties: dict[str, object] = {
        name: value
        for name, value in row.items()
        if value not in (None, "") and name not in ENVELOPE and name not in LEFT_OUT
    }
    packed = row.get("properties")
    if packed:
        with suppress(orjson.JSONDecodeError):
            packed = orjson.loads(packed) if isinstance(packed, str) else packed
        properties = packed | properties if isinstance(packed, dict) else properties | {"properties": packed}
    for name in NUMBERS:
        number = properties.get(name)
        if isinstance(number, str):
            properties[name] = _number(number)
    return raw | {"properties": properties}


def _number(text: str) -> object:
    for kind in (int, float):
        with suppress(ValueError):
            return text if "_" in text else kind(text)  # Python would read 1_9 as 19
    return text  # the schema refuses it, with its field and value
