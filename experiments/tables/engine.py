"""DuckDB over one opened file."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidTable
from experiments.queries.query import Query
from experiments.queries.table import Storage
from experiments.tables.opening import Opened

LINE = re.compile(r"CSV Error on Line: (\d+)")
COLUMNS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
DECIMAL = re.compile(r"DECIMAL\(\d+, ?(\d+)\)")
STORAGES = {
    "BOOLEAN": Storage.LOGICAL,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), Storage.INTEGER),
    "FLOAT": Storage.SINGLE,
    "DOUBLE": Storage.DOUBLE,
}

Row = dict[str, object]


class TooLarge(InvalidTable):
    """A number that a query made is too large for its type."""


class Engine:
    """Runs queries over the relation ``file``. Raises InvalidTable for what the engine cannot read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, opened: Opened) -> None:
        self.connection = connection
        self.name = opened.name
        relation = _relation(connection, opened)
        connection.execute(f"CREATE TEMP VIEW file AS {relation.sql_query()}")  # of this connection only
        self.columns: tuple[str, ...] = opened.columns or tuple(map(str, relation.columns))
        types = dict(zip(self.columns, map(str, relation.types), strict=True)) if opened.parquet else {}
        self.storages = {column: storage for column, name in types.items() if (storage := _storage(name))}
        self.scales = {column: int(found[1]) for column, name in types.items() if (found := DECIMAL.fullmatch(name))}

    def rows(self, query: Query) -> list[Row]:
        """The answer, each row a mapping from column name to value."""
        with _told(self.name):
            cursor = self.connection.execute(query.sql, dict(query.parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def arrays(self, query: Query) -> Mapping[str, npt.NDArray[np.generic]]:
        """The answer, each column an array."""
        with _told(self.name):
            found = self.connection.execute(query.sql, dict(query.parameters)).fetchnumpy()
            return {name: np.asarray(column) for name, column in found.items()}


@contextmanager
def open_engine(opened: Opened) -> Iterator[Engine]:
    """An engine for one file; what it makes is gone at the end."""
    with _database(os.getpid()).cursor() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would stand in the report
        with _told(opened.name):
            engine = Engine(connection, opened)
        yield engine


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """One empty database in memory for all files: starting it takes longer than reading a small one.

    Not across a fork, which its threads do not survive. It spills into a folder that it removes itself.
    """
    return duckdb.connect(config={"temp_directory": str(Path(tempfile.gettempdir()) / f"winnow-spill-{process}")})


@contextmanager
def _told(name: str) -> Iterator[None]:
    """The engine's errors as a sentence about the file."""
    try:
        yield
    except duckdb.OutOfRangeException as error:
        raise TooLarge(f"{name}{_sentence(str(error))}") from None
    except duckdb.Error as error:
        raise InvalidTable(f"{name}{_sentence(str(error))}") from None


def _storage(name: str) -> Storage | None:
    """How the file holds a column of this type, None for those that are read as text."""
    return Storage.DECIMAL if DECIMAL.fullmatch(name) else STORAGES.get(name)


def _relation(connection: duckdb.DuckDBPyConnection, opened: Opened) -> duckdb.DuckDBPyRelation:
    if opened.parquet:
        return connection.read_parquet(str(opened.path))
    # Nothing is guessed: a column is text until the analyst says what it is.
    return connection.read_csv(
        str(opened.path),
        header=True,
        delimiter=opened.delimiter,
        quotechar='"',
        escapechar='"',
        auto_detect=False,
        compression="none",
        columns=dict.fromkeys(opened.columns, "VARCHAR"),
    )


def _sentence(error: str) -> str:
    """The rest of a sentence about a file, from the engine's page-long message."""
    line = LINE.search(error)
    where = f", row {int(line[1]) - 1}: " if line else " cannot be read: "
    if found := COLUMNS.search(error):
        return f"{where}{found[2]} values where the header names {found[1]} columns"
    if "unterminated quote" in error:
        return f"{where}a quoted value does not end; a quote inside one is written twice"
    if "Maximum line size" in error:
        return f"{where}the row is longer than 2 MB"
    if "Invalid unicode" in error or "not utf-8" in error:
        return f"{where}the text is not UTF-8; save the file as UTF-8"
    if "Out of Range" in error or "overflow" in error.lower():
        return ": the sum of a column is too large"
    reason = next((text for text in error.splitlines() if text.strip()), "").split("Error: ", 1)[-1]
    return f"{where}{reason.removeprefix(line[0] if line else '').strip()}"
