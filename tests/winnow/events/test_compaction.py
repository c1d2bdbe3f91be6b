"""From the inbox to the lake: all of it, once, wherever the process dies."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from winnow.events import compaction
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.events.lake import Lake
from winnow.events.models import Batch, InboxBody
from winnow.events.warehouse import LakeWarehouse, parquet

from .conftest import NOW, raw_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lake_folder")]


def send(*numbers: int, **changes: object) -> None:
    receipt = ingest([raw_event(number, **changes) for number in numbers], received_at=NOW)
    assert not receipt.rejections


def in_lake(version: int | None = None) -> list[str]:
    rows = LakeWarehouse(version).query("SELECT message_id FROM events ORDER BY message_id", {})
    return [str(row["message_id"]) for row in rows]


def test_an_empty_inbox_is_nothing_to_do():
    assert compact() == compaction.Compaction(batches=0, events=0, duplicates=0)


def test_events_are_not_acknowledged_inside_a_transaction_that_may_be_rolled_back():
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        ingest([raw_event(1)], received_at=NOW)
    assert not InboxBody.objects.exists()


def test_valid_events_of_a_request_are_kept_and_the_others_named():
    receipt = ingest([raw_event(1), raw_event(2, event=""), "x"], received_at=NOW)
    assert receipt.accepted == 1
    assert [(rejection.index, rejection.message_id, rejection.field) for rejection in receipt.rejections] == [
        (1, "message-2", "event"),
        (2, None, "event"),
    ]
    assert InboxBody.objects.get().count == 1


def test_a_request_without_a_valid_event_leaves_nothing():
    ingest([raw_event(event="")], received_at=NOW)
    assert not InboxBody.objects.exists()


def test_what_was_accepted_arrives_and_leaves_the_inbox():
    send(1, 2)
    send(3)
    assert compact() == compaction.Compaction(batches=1, events=3, duplicates=0)
    assert in_lake() == ["message-1", "message-2", "message-3"]
    assert not InboxBody.objects.exists()
    batch = Batch.objects.get()
    assert (batch.number, batch.events, batch.duplicates, batch.lake_version) == (1, 3, 0, 1)


def test_a_row_keeps_its_values():
    moment = "2026-05-04T10:30:00.123456Z"
    send(1, event="Order Completed", timestamp=moment, properties={"value": 5, "currency": "JPY", "note": "快"})
    compact()
    row = LakeWarehouse().query(
        "SELECT epoch_us(timestamp) AS t, epoch_us(received_at) AS r, * EXCLUDE (timestamp, received_at) FROM events",
        {},
    )
    assert {name: row[0][name] for name in ("user_id", "value", "currency", "properties", "item_id")} == {
        "user_id": "user-1",
        "value": 5,
        "currency": "JPY",
        "properties": '{"note":"快"}',
        "item_id": None,
    }
    assert row[0]["t"] == 1_777_890_600_123_456
    assert row[0]["r"] == int(NOW.timestamp() * 1e6)


@pytest.mark.parametrize("between", [compact, lambda: None], ids=["later", "at once"])
def test_a_doubled_message_counts_once(between):
    send(1, 1, 2)
    between()
    send(2, 3)
    compact()
    assert in_lake() == ["message-1", "message-2", "message-3"]
    assert sum(Batch.objects.values_list("duplicates", flat=True)) == 2


def test_a_message_without_a_time_that_is_sent_again_after_midnight_counts_once():
    raw = raw_event(1)
    del raw["timestamp"]
    ingest([raw], received_at=datetime(2026, 5, 4, 23, 59, 59, tzinfo=UTC))
    compact()
    ingest([raw], received_at=datetime(2026, 5, 5, 0, 0, 1, tzinfo=UTC))
    compact()
    assert in_lake() == ["message-1"]


def test_a_batch_of_nothing_but_doubles_is_carried_too():
    send(1)
    compact()
    send(1)
    assert compact() == compaction.Compaction(batches=1, events=0, duplicates=1)
    assert not InboxBody.objects.exists()


def test_late_events_go_to_their_own_day():
    send(1)
    compact()
    send(2, timestamp="2026-04-01T00:00:00Z")
    compact()
    assert sorted(path.name for path in Lake(compaction.settings.LAKE).folder.glob("day=*")) == [
        "day=2026-04-01",
        "day=2026-05-04",
    ]
    assert in_lake() == ["message-1", "message-2"]


def test_many_files_of_a_day_become_one_and_old_versions_stay(monkeypatch):
    monkeypatch.setattr(compaction, "MOST_FILES", 3)
    many_files()
    before = LakeWarehouse()
    compact()
    (files,) = Lake(compaction.settings.LAKE).files().values()
    assert len(files) == 1
    assert len(in_lake()) == len(in_lake(before.version)) == before.row_count() == 8
    rows = LakeWarehouse().query("SELECT bucket, user_id FROM events", {})
    assert [tuple(row.values()) for row in rows] == sorted(tuple(row.values()) for row in rows)


def many_files() -> None:
    for number in range(4):
        send(number, number + 10)
        compact()


def test_a_rewrite_that_dies_is_repeated_over_its_own_file(monkeypatch):
    monkeypatch.setattr(compaction, "MOST_FILES", 3)
    many_files()
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "replace_day", died)
        with pytest.raises(Died):
            compact()
    send(20)
    compact()
    assert len(in_lake()) == 9
    assert written_files() == named_files()


def test_days_are_rewritten_in_one_order_so_that_a_repeat_meets_the_same_day_at_the_same_version(monkeypatch):
    monkeypatch.setattr(compaction, "MOST_FILES", 1)
    for number in range(2):
        for day in (1, 2, 3):
            send(10 * day + number, timestamp=f"2026-04-0{day}T00:00:00Z")
        compact()
    rewritten = []

    def die_at_the_second(lake, table, file):
        rewritten.append(file.day)
        if len(rewritten) == 2:
            raise Died
        replace(lake, table, file)

    replace, files = Lake.replace_day, Lake.files
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "replace_day", die_at_the_second)
        with pytest.raises(Died):
            compact()
        patch.setattr(Lake, "files", lambda *args: dict(reversed(files(*args).items())))  # as another listing may be
        compact()
    assert rewritten[2] == rewritten[1]
    assert len(in_lake()) == 6
    assert written_files() == named_files()


def written_files() -> set[str]:
    return {str(path) for path in Lake(compaction.settings.LAKE).folder.glob("day=*/*")}


def named_files() -> set[str]:
    lake = Lake(compaction.settings.LAKE)
    versions = range(lake.version() + 1)
    return {file for version in versions for files in lake.files(version).values() for file in files}


def test_a_large_inbox_goes_in_several_batches(monkeypatch):
    monkeypatch.setattr(compaction, "BATCH_EVENTS", 2)
    for number in range(5):
        send(number)
    seen: list[int] = []
    assert compact(progress=seen.append) == compaction.Compaction(batches=3, events=5, duplicates=0)
    assert seen == [2, 4, 5]


def test_two_compactors_do_not_meet(monkeypatch):
    send(1)
    answers = []
    original = compaction._write

    def other() -> None:  # a thread of its own, for an advisory lock may be taken twice by one session
        try:
            answers.append(compact())
        finally:
            connection.close()

    def meanwhile(*args):
        monkeypatch.setattr(compaction, "_write", original)  # the other must come to an end even if it is let in
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return original(*args)

    monkeypatch.setattr(compaction, "_write", meanwhile)
    compact()
    assert answers == [None]
    assert in_lake() == ["message-1"]


def test_the_search_for_doubles_reads_the_days_beside_the_new_events_and_no_others(monkeypatch):
    for day in range(1, 6):
        send(day, timestamp=f"2026-04-0{day}T00:00:00Z")
    compact()
    send(9, timestamp="2026-04-03T12:00:00Z")
    searched: list[str] = []
    monkeypatch.setattr(compaction, "parquet", lambda files: searched.extend(files) or parquet(files))
    compact()
    assert sorted(path.split("day=")[1][:10] for path in searched) == ["2026-04-02", "2026-04-03", "2026-04-04"]


class Died(Exception):
    """The process ended here."""


def died(*_args, **_kwargs):
    raise Died


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (compaction, "_write"),
        (compaction, "_load"),
        (compaction, "_mark_new"),
        (Lake, "write_day"),
        (Lake, "settle"),
        (Lake, "commit"),
        (Lake, "_write"),
        (Batch, "save"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_at_any_step_loses_nothing_and_doubles_nothing(monkeypatch, owner, step, when):
    send(1, 2)
    compact()
    send(2, 3, 4)
    send(5, timestamp="2026-05-03T00:00:00Z")
    original = getattr(owner, step)

    def dying(*args, **kwargs):
        if when == "after":
            original(*args, **kwargs)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying)
        with pytest.raises(Died):
            compact()
    send(6)
    compact()
    assert in_lake() == [f"message-{number}" for number in range(1, 7)]
    assert not InboxBody.objects.exists()
    assert [sum(column) for column in zip(*Batch.objects.values_list("events", "duplicates"), strict=True)] == [6, 1]
    assert written_files() == named_files()
    assert not list(compaction.settings.HOME.glob("engine/*.ndjson"))


def test_a_restored_older_database_skips_nothing():
    send(1)
    compact()
    send(2)
    compact()
    Batch.objects.all().delete()
    send(3)
    compact()
    assert in_lake() == ["message-1", "message-2", "message-3"]
    assert Batch.objects.get().number == 3
