"""From the inbox to the lake, exactly once, whenever the process dies.

1. A batch is named in the database and its inbox rows are bound to it.
2. Its new events are written as Parquet, one file a day, under names made from the batch's number.
3. One commit of the lake adds them all and records the number as an application transaction.
4. The inbox rows are deleted.

Dying before 3 leaves files that no version names, and the next run writes them again; dying after 3 is seen by the next
run in the lake itself. Each run first settles what an earlier one may have committed without forcing it to the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
from deltalake import DeltaTable
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from winnow.events import drift
from winnow.events.lake import COLUMNS, INBOX, DayFile, Lake
from winnow.events.models import Batch, InboxBody
from winnow.events.warehouse import connect, parquet
from winnow.locks import exclusive

BATCH_EVENTS = 500_000  # events in a batch, about
ROWS_AT_ONCE = 200  # of the inbox in one transaction: on SQLite every request that writes waits for its end
MOST_FILES = 64  # of one day, before they are rewritten as one; each costs a reader 0.06 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What one run brought into the lake."""

    batches: int
    events: int
    duplicates: int


def compact(*, progress: Callable[[int], None] | None = None) -> Compaction | None:
    """Carry all that is in the inbox now into the lake; ``progress`` is told how many events of it are done.

    What comes meanwhile waits for the next run: under steady traffic there is always more, in ever smaller batches.

    None if another process is at it.
    """
    with exclusive("lake") as taken:
        if not taken:
            return None
        lake = Lake(settings.LAKE)
        lake.settle()
        _rewrite_days(lake)  # first, so that one that died is repeated at the same version, over its own file
        newest = InboxBody.objects.aggregate(last=Max("id"))["last"] or 0
        done: list[Batch] = []
        for batch in _batches(lake, newest):
            done.append(_carry(lake, batch))
            if progress:
                progress(sum(batch.events + batch.duplicates for batch in done))
    return Compaction(
        batches=len(done),
        events=sum(batch.events for batch in done),
        duplicates=sum(batch.duplicates for batch in done),
    )


def _batches(lake: Lake, newest: int) -> Iterator[Batch]:
    """Those that an earlier process left open, then new ones until the inbox has no row up to the newest."""
    yield from Batch.objects.filter(committed_at=None).order_by("number")
    while batch := _name_batch(lake, newest):
        yield batch


def _name_batch(lake: Lake, newest: int) -> Batch | None:
    """Bind the oldest inbox rows to a new batch, numbered above all that the database or the lake knows."""
    in_lake = lake.open().transaction_version(INBOX) or 0
    waiting = InboxBody.objects.filter(batch=None, id__lte=newest).order_by("id")
    ids: list[int] = []
    events = 0
    for pk, count in waiting.values_list("id", "count").iterator():
        ids.append(pk)
        events += count
        if events >= BATCH_EVENTS:
            break
    if not ids:
        return None
    in_database = Batch.objects.aggregate(last=Max("number"))["last"] or 0
    batch = Batch.objects.create(number=max(in_lake, in_database) + 1)
    for begin in range(0, len(ids), ROWS_AT_ONCE):  # dying in between leaves a smaller batch
        part = ids[begin : begin + ROWS_AT_ONCE]
        InboxBody.objects.filter(batch=None, id__gte=part[0], id__lte=part[-1]).update(batch=batch)
    return batch


def _carry(lake: Lake, batch: Batch) -> Batch:
    table = lake.open()  # the handle that is asked and the handle that writes are the same
    seen: tuple[drift.Seen, ...] = ()
    if (table.transaction_version(INBOX) or 0) < batch.number:
        seen = _write(lake, table, batch)
    else:
        _recall(table, batch)
    rows = InboxBody.objects.filter(batch=batch).order_by("id")
    while part := list(rows.values_list("id", flat=True)[:ROWS_AT_ONCE]):  # dying in between leaves the batch open
        InboxBody.objects.filter(batch=batch, id__lte=part[-1]).delete()
    with transaction.atomic():
        batch.committed_at = timezone.now()
        batch.save()
        drift.note(seen)
    return batch


def _write(lake: Lake, table: DeltaTable, batch: Batch) -> tuple[drift.Seen, ...]:
    connection = connect()
    try:
        received = _load(connection, batch)
        days = _mark_new(connection, lake)
        files = [
            lake.write_day(
                connection, day=day, name=f"batch-{batch.number}", relation=f"(FROM new WHERE day = DATE '{day}')"
            )
            for day in days
        ]
        seen = drift.look(connection)
    finally:
        connection.close()
    batch.events = sum(file.rows for file in files)
    batch.duplicates = received - batch.events
    counts = {"events": batch.events, "duplicates": batch.duplicates}
    batch.lake_version = lake.commit(table, files, batch=batch.number, metadata=counts)
    return seen


def _recall(table: DeltaTable, batch: Batch) -> None:
    """The counts of a batch that an earlier process committed and did not live to note."""
    for entry in table.history():
        if entry.get("batch") == batch.number:
            batch.events, batch.duplicates = entry["events"], entry["duplicates"]
            batch.lake_version = entry["version"]
            return


def _load(connection: duckdb.DuckDBPyConnection, batch: Batch) -> int:
    """Read the batch's bodies into the table ``received``; returns the number of events."""
    path = settings.HOME / "engine" / f"batch-{batch.number}.ndjson"  # a name that the next attempt overwrites
    path.parent.mkdir(exist_ok=True)
    kinds = {name: "BIGINT" if kind == "TIMESTAMPTZ" else kind for name, (kind, _) in COLUMNS.items()}
    with path.open("wb") as file:
        for body in InboxBody.objects.filter(batch=batch).order_by("id").values_list("events", flat=True).iterator(50):
            file.write(body)
    times = ", ".join(f"make_timestamptz({name}) AS {name}" for name in ("timestamp", "received_at"))
    connection.execute(
        f"CREATE TABLE received AS SELECT * REPLACE ({times}), CAST(make_timestamptz(timestamp) AS DATE) AS day"  # noqa: S608
        f" FROM read_json(?, format = 'newline_delimited', columns = {kinds})",
        [str(path)],
    )
    path.unlink()
    return int(connection.execute("SELECT COUNT(*) FROM received").fetchall()[0][0])


def _mark_new(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[date]:
    """Make the table ``new`` of the events whose message id is not in the lake yet; returns their days.

    A message that is sent again carries its own time, or gets one within a day, so its double lies in the same day or a
    neighbour: only those are searched, and only their ids. The join keeps the batch in memory, not the lake.
    """
    days = [row[0] for row in connection.execute("SELECT DISTINCT day FROM received").fetchall()]
    near = {day + timedelta(days=shift) for day in days for shift in (-1, 0, 1)}
    files = [file for day, of_day in lake.files().items() if day in near for file in of_day]
    unknown = f"ANTI JOIN {parquet(files)} USING (message_id)" if files else ""  # read_parquet of nothing is an error
    connection.execute(
        f"CREATE TABLE new AS SELECT * FROM received {unknown}"  # noqa: S608
        " QUALIFY ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY received_at) = 1"
    )
    connection.execute("DROP TABLE received")
    return [row[0] for row in connection.execute("SELECT DISTINCT day FROM new ORDER BY day").fetchall()]


def _rewrite_days(lake: Lake) -> None:
    """Make one sorted file of each day that has many. Older versions keep their files.

    In order of the days: a run that repeats one that died then meets the same day at the same version.
    """
    for day, files in sorted(lake.files().items()):
        if len(files) > MOST_FILES:
            table = lake.open()
            lake.replace_day(table, _rewrite(lake, table, day, files))


def _rewrite(lake: Lake, table: DeltaTable, day: date, files: list[str]) -> DayFile:
    connection = connect()
    try:
        return lake.write_day(connection, day=day, name=f"whole-{table.version()}", relation=parquet(files))
    finally:
        connection.close()
