"""The lake: versions that stay, names that may be anything, and what is on the disk before the inbox is emptied."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from winnow.events import lake as lake_module
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.events.lake import INBOX, Lake
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse

from .conftest import NOW, raw_event

pytestmark = pytest.mark.django_db(transaction=True)


def carry(*numbers: int, **changes: object) -> None:
    ingest([raw_event(number, **changes) for number in numbers], received_at=NOW)
    compact()


def message_ids(version: int | None = None) -> list[object]:
    rows = LakeWarehouse(version).query("SELECT message_id FROM events ORDER BY message_id", {})
    return [row["message_id"] for row in rows]


def commit_nothing(lake: Lake, *batches: int) -> None:
    for batch in batches:
        lake.commit(lake.open(), [], batch=batch, metadata={})


def test_an_empty_lake_can_be_asked(lake_folder):
    warehouse = LakeWarehouse()
    assert (warehouse.version, warehouse.row_count(), warehouse.time_range()) == (0, 0, None)
    assert warehouse.query("SELECT SUM(value) AS value, MAX(epoch_us(timestamp)) AS t FROM events", {}) == [
        {"value": None, "t": None}
    ]


def test_the_time_range_runs_from_the_first_event_to_the_last(lake_folder):
    carry(1, timestamp="2026-04-01T00:00:00.000001Z")
    carry(2)
    first, last = datetime(2026, 4, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2026, 5, 4, 11, tzinfo=UTC)
    assert LakeWarehouse().time_range() == (first, last)


def test_a_version_shows_what_it_always_showed(lake_folder):
    carry(1)
    reader = LakeWarehouse()
    carry(2)
    assert reader.row_count() == 1
    assert message_ids(reader.version) == ["message-1"]
    assert message_ids() == ["message-1", "message-2"]


def test_versions_and_batch_numbers_outlive_checkpoints_and_the_days_that_logs_are_kept_by_default(lake_folder):
    carry(1)
    lake = Lake(lake_folder)
    commit_nothing(lake, *range(2, 99))
    for entry in lake_folder.glob("_delta_log/*"):
        os.utime(entry, times=(time.time() - 60 * 86_400,) * 2)
    commit_nothing(lake, 99, 100)
    assert [path.name for path in lake_folder.glob("_delta_log/*.parquet")] == [f"{99:020}.checkpoint.parquet"]
    assert message_ids(1) == message_ids() == ["message-1"]
    assert lake.open().transaction_version(INBOX) == 100


@pytest.mark.parametrize("name", ["my lake", "数据", "it's #1+?[x]*"])
def test_the_folder_may_have_any_name(settings, tmp_path, name):
    settings.LAKE = tmp_path / name / "lake"
    carry(1)
    carry(1, 2)
    assert message_ids() == ["message-1", "message-2"]
    assert [list(map(os.path.isfile, files)) for files in Lake(settings.LAKE).files().values()] == [[True, True]]


def test_two_processes_may_make_the_lake_at_the_same_moment(lake_folder, monkeypatch):
    create = DeltaTable.create

    def late(*args, **kwargs):
        create(*args, **kwargs)
        raise CommitFailedError("another process made it")

    monkeypatch.setattr(DeltaTable, "create", late)
    assert Lake(lake_folder).version() == 0


@pytest.fixture
def forced(monkeypatch):
    """What is forced to the disk while the inbox still holds its rows."""
    paths: list[str] = []

    def record(path: Path) -> None:
        if InboxBody.objects.exists():
            paths.append(path.name)

    monkeypatch.setattr(lake_module, "fsync", record)
    return paths


def test_data_entry_and_folders_are_on_the_disk_before_the_inbox_is_emptied(lake_folder, forced):
    carry(1)
    day, entry = "day=2026-05-04", f"{1:020}.json"
    assert forced[-6:] == ["batch-1.draft", day, entry, "_delta_log", "lake", lake_folder.parent.name]
    assert f"{0:020}.json" in forced


def test_what_a_killed_process_committed_is_forced_to_the_disk_by_the_next(lake_folder, forced, monkeypatch):
    carry(1)
    write = Lake._write

    def write_and_die(*args):
        write(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "_write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            carry(2)
    forced.clear()
    compact()
    assert forced[0] == f"{2:020}.json"
    assert message_ids() == ["message-1", "message-2"]


def test_a_checkpoint_is_on_the_disk_before_the_entry_that_may_bring_its_name_there(lake_folder, monkeypatch):
    lake = Lake(lake_folder)
    commit_nothing(lake, *range(1, 100))
    paths: list[str] = []
    monkeypatch.setattr(lake_module, "fsync", lambda path: paths.append(path.name))
    commit_nothing(lake, 100)
    assert paths[:3] == [f"{99:020}.checkpoint.parquet", "_last_checkpoint", f"{100:020}.json"]


def test_files_are_listed_by_day(lake_folder):
    carry(1, 2)
    carry(3, timestamp="2026-05-01T00:00:00Z")
    files = Lake(lake_folder).files()
    assert {day: [Path(path).name for path in paths] for day, paths in files.items()} == {
        date(2026, 5, 4): ["batch-1.parquet"],
        date(2026, 5, 1): ["batch-2.parquet"],
    }
