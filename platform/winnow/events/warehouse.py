"""The lake as something to query: DuckDB in memory over the files of one version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain

import duckdb
from django.conf import settings

from experiments.queries.query import Value
from winnow.events.lake import COLUMNS, Lake


def connect() -> duckdb.DuckDBPyConnection:
    """An engine of this process's own: times in UTC, memory bounded, what does not fit goes to the home folder."""
    connection = duckdb.connect(
        config={
            "memory_limit": settings.ENGINE_MEMORY,
            "threads": settings.ENGINE_THREADS,
            "temp_directory": str(settings.HOME / "engine"),
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it would stand in what a command prints
    return connection


class LakeWarehouse:
    """The ``events`` relation at one version of the lake, the newest by default."""

    def __init__(self, version: int | None = None) -> None:
        lake = Lake(settings.LAKE)
        self.version = lake.version() if version is None else version
        files = list(chain.from_iterable(lake.files(self.version).values()))
        self._connection = connect()
        self._connection.execute(f"CREATE VIEW events AS {_relation(files)}")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The engine itself, for work that makes tables of its own beside ``events``."""
        return self._connection

    def define(self, name: str, relation: str) -> None:
        """Put another relation, a SELECT, beside ``events``."""
        self._connection.execute(f"CREATE OR REPLACE VIEW {name} AS {relation}")

    def query(self, sql: str, parameters: Mapping[str, Value]) -> list[dict[str, object]]:
        """The rows of the answer."""
        cursor = self._connection.execute(sql, dict(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row_count(self) -> int:
        """How many events there are."""
        return int(str(self.query("SELECT COUNT(*) AS n FROM events", {})[0]["n"]))

    def time_range(self) -> tuple[datetime, datetime] | None:
        """When the first and the last event happened; None where there are no events."""
        # As numbers: DuckDB hands a timestamptz to Python only where pytz is installed.
        sql = "SELECT epoch_us(MIN(timestamp)) AS first, epoch_us(MAX(timestamp)) AS last FROM events"
        first, last = self.query(sql, {})[0].values()
        return (_moment(first), _moment(last)) if first is not None else None


def _moment(microseconds: object) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(str(microseconds)))


def _relation(files: list[str]) -> str:
    if not files:  # read_parquet of nothing is an error
        columns = ", ".join(f"NULL::{kind} AS {name}" for name, (kind, _) in COLUMNS.items())
        return f"SELECT {columns} WHERE false"
    return f"SELECT {', '.join(COLUMNS)} FROM {parquet(files)}"  # noqa: S608


def parquet(files: list[str]) -> str:
    """The SQL that reads these files. A view takes no parameters."""
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false)"
