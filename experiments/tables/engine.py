"""DuckDB over one opened file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from experiments.errors import InvalidTable
from experiments.queries.query import Query
from experiments.tables.opening import Opened

LINE = re.compile(r"CSV Error on Line: (\d+)")
COLUMNS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")

Row = dict[str, object]


class Engine:
    """Runs queries over the relation ``file``. Raises InvalidTable for what the engine cannot read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, opened: Opened) -> None:
        self.connection = connection
        self.name = opened.name
        self.columns = opened.columns or tuple(
            str(column) for column, *_ in connection.execute("DESCRIBE file").fetchall()
        )

    def rows(self, query: Query) -> list[Row]:
        """The answer, each row a mapping from column name to value."""
        try:
            cursor = self.connection.execute(query.sql, dict(query.parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        except duckdb.Error as error:
            raise InvalidTable(f"{self.name}{_sentence(str(error))}") from None


@contextmanager
def open_engine(opened: Opened) -> Iterator[Engine]:
    """An engine in memory that spills into the file's workspace."""
    with duckdb.connect() as connection:
        connection.execute("SET temp_directory = $folder", {"folder": str(opened.workspace)})
        try:
            _relation(connection, opened).create_view("file")
            engine = Engine(connection, opened)
        except duckdb.Error as error:
            raise InvalidTable(f"{opened.name}{_sentence(str(error))}") from None
        yield engine


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
