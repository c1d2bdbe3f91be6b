"""The lake: a Delta table as the commit log, Parquet by day written by DuckDB, rows sorted by (bucket, user, time).

Readers open a version and see that version whatever is written meanwhile. The library never calls fsync, so this module
does: what :meth:`Lake.commit` or :meth:`Lake.settle` returns from survives a power cut.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import duckdb
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction

# Name → (DuckDB type, Delta type). docs/events.md says what each one means.
COLUMNS: dict[str, tuple[str, str]] = {
    "message_id": ("VARCHAR", "string"),
    "user_id": ("VARCHAR", "string"),
    "anonymous_id": ("VARCHAR", "string"),
    "event": ("VARCHAR", "string"),
    "timestamp": ("TIMESTAMPTZ", "timestamp"),
    "received_at": ("TIMESTAMPTZ", "timestamp"),
    "bucket": ("TINYINT", "byte"),
    "ranking_id": ("VARCHAR", "string"),
    "experiment": ("VARCHAR", "string"),
    "arm": ("VARCHAR", "string"),
    "item_id": ("VARCHAR", "string"),
    "campaign_id": ("VARCHAR", "string"),
    "position": ("INTEGER", "integer"),
    "value": ("BIGINT", "long"),
    "currency": ("VARCHAR", "string"),
    "properties": ("VARCHAR", "string"),
}
ROW_GROUP = 100_000  # rows
INBOX = "inbox"  # the application transaction that carries batch numbers
# By default the library drops log entries after 30 days, and with them the versions that results refer to.
CONFIGURATION: dict[str, str | None] = {"delta.enableExpiredLogCleanup": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFile:
    """A Parquet file that is written and durable, and not yet part of any version."""

    day: date
    path: str  # relative to the lake
    rows: int


class Lake:
    """The event table in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, version: int | None = None) -> DeltaTable:
        """The table at a version, the newest by default; made if there is none."""
        if not DeltaTable.is_deltatable(str(self.folder)):
            self._create()
        return DeltaTable(str(self.folder), version=version)

    def version(self) -> int:
        """The newest version."""
        return self.open().version()

    def files(self, version: int | None = None) -> dict[date, list[str]]:
        """The paths of the files that a version consists of, by day."""
        files: dict[date, list[str]] = {}
        for uri in self.open(version).file_uris():
            path = unquote(uri)  # the library writes a space or a Chinese character as in a URL
            files.setdefault(date.fromisoformat(Path(path).parent.name.removeprefix("day=")), []).append(path)
        return files

    def write_day(self, connection: duckdb.DuckDBPyConnection, *, day: date, name: str, relation: str) -> DayFile:
        """Write the rows of a relation as one file of a day, sorted and durable.

        A file of that name is replaced: a name that was never committed belongs to an attempt that died.
        """
        path = f"day={day.isoformat()}/{name}.parquet"
        target = self.folder / path
        target.parent.mkdir(exist_ok=True)
        draft = target.with_suffix(".draft")
        columns = ", ".join(COLUMNS)
        connection.execute(
            f"COPY (SELECT {columns} FROM {relation} ORDER BY bucket, user_id, timestamp, message_id)"  # noqa: S608
            f" TO '{_quoted(draft)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        )
        counted = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(draft)]).fetchall()
        fsync(draft)
        draft.replace(target)
        fsync(target.parent)
        return DayFile(day=day, path=path, rows=int(counted[0][0]))

    def commit(self, table: DeltaTable, files: Iterable[DayFile], *, batch: int, metadata: Mapping[str, int]) -> int:
        """Append files as batch ``batch``. ``table`` must be the handle from which the batch was seen to be missing."""
        self._write(
            table,
            [self._action(file) for file in files],
            CommitProperties(
                app_transactions=[Transaction(INBOX, batch)], custom_metadata={"batch": batch, **metadata}
            ),
        )
        return self.settle()

    def replace_day(self, table: DeltaTable, file: DayFile) -> int:
        """Put one file in the place of all files that a day has at this handle's version."""
        self._write(table, [self._action(file)], CommitProperties(custom_metadata={"rewritten": file.rows}), file.day)
        return self.settle()

    def settle(self) -> int:
        """Wait until the newest version is on the disk, whoever wrote it. Returns its number."""
        version = self.version()
        log = self.folder / "_delta_log"
        # Checkpoints first: forcing the entry out may bring their names to the disk, and a name without its content
        # makes the whole table unreadable.
        checkpoints = [*sorted(log.glob("*.checkpoint.parquet"))[-1:], *log.glob("_last_checkpoint")]
        for path in (*checkpoints, log / f"{version:020}.json", log, self.folder, self.folder.parent):
            fsync(path)
        return version

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fields = [Field(name, PrimitiveType(delta)) for name, (_, delta) in COLUMNS.items()]
        schema = Schema([*fields, Field("day", PrimitiveType("date"))])
        with suppress(CommitFailedError):  # another process made it at the same moment
            DeltaTable.create(
                str(self.folder), schema, mode="ignore", partition_by=["day"], configuration=CONFIGURATION
            )

    def _action(self, file: DayFile) -> AddAction:
        size = (self.folder / file.path).stat().st_size
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.path, size, {"day": file.day.isoformat()}, int(time.time() * 1000), True, stats)

    def _write(
        self, table: DeltaTable, actions: list[AddAction], properties: CommitProperties, replaced: date | None = None
    ) -> None:
        table.create_write_transaction(
            [*actions],
            mode="overwrite" if replaced else "append",
            schema=table.schema(),
            partition_by=["day"],
            partition_filters=[("day", "=", replaced.isoformat())] if replaced else None,
            commit_properties=properties,
        )


def fsync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
