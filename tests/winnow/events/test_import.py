"""Importing files: what is right comes in once, what is wrong is named, and nothing comes in by half."""

from __future__ import annotations

import gzip
import json

import duckdb
import pytest
from click.testing import CliRunner

from winnow.events.commands import import_events
from winnow.events.compaction import compact
from winnow.events.models import InboxBody
from winnow.events.warehouse import LakeWarehouse

from .conftest import raw_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lake_folder")]

HEADER = "event,user_id,timestamp,value,currency,coupon"
ORDER = "Order Completed,ann,2026-05-04T11:00:00Z,1999,CNY,SAVE50"


def run(path, *options):
    return CliRunner().invoke(import_events, [str(path), *options])


def lake_rows(columns="*"):
    compact()
    return LakeWarehouse().query(f"SELECT {columns} FROM events ORDER BY message_id", {})


def write(folder, text, name="events.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_csv_comes_in_and_unknown_columns_become_properties(tmp_path):
    result = run(write(tmp_path, f"{HEADER}\n{ORDER}\n"))
    assert result.exit_code == 0, result.output
    assert "1 events imported, 0 skipped" in result.output
    assert lake_rows("user_id, value, currency, properties") == [
        {"user_id": "ann", "value": 1999, "currency": "CNY", "properties": '{"coupon":"SAVE50"}'}
    ]


def test_importing_a_file_again_doubles_nothing(tmp_path):
    path = write(tmp_path, f"{HEADER}\n{ORDER}\n{ORDER}\n")
    run(path)
    assert len(lake_rows("message_id")) == 2
    run(path)
    assert len(lake_rows("message_id")) == 2


def test_ndjson_in_the_envelope_of_segment_comes_in(tmp_path):
    lines = "\n".join(json.dumps(raw_event(number)) for number in range(3))
    path = tmp_path / "events.ndjson.gz"
    path.write_bytes(gzip.compress(f"{lines}\n\n".encode()))
    assert run(path).exit_code == 0
    assert [row["message_id"] for row in lake_rows("message_id")] == ["message-0", "message-1", "message-2"]


@pytest.mark.parametrize("properties", ['{"a":1}', {"a": 1}], ids=["as text", "as an object"])
def test_ndjson_with_the_columns_of_the_lake_comes_in(tmp_path, properties):
    row = {"event": "Order Completed", "user_id": "ann", "timestamp": "2026-05-04T11:00:00Z", "message_id": None}
    row |= {"value": 5, "currency": "JPY", "item_id": None, "bucket": 3, "properties": properties}
    assert run(write(tmp_path, json.dumps(row))).exit_code == 0
    assert lake_rows("user_id, value, item_id, properties") == [
        {"user_id": "ann", "value": 5, "item_id": None, "properties": '{"a":1}'}
    ]


def test_what_the_lake_exports_can_be_imported(tmp_path):
    path = tmp_path / "events.parquet"
    duckdb.sql(
        """SELECT 'm1' AS message_id, 'ann' AS user_id, 'Order Completed' AS event, 5::BIGINT AS value,
        TIMESTAMP '2026-05-04 11:00:00' AT TIME ZONE 'UTC' AS timestamp,
        'JPY' AS currency, '{"a":1}' AS properties, 3 AS bucket"""
    ).write_parquet(str(path))
    result = run(path)
    assert result.exit_code == 0, result.output
    assert lake_rows("message_id, value, properties, epoch(timestamp)::BIGINT AS t") == [
        {"message_id": "m1", "value": 5, "properties": '{"a":1}', "t": 1777892400}
    ]


def test_a_dry_run_imports_nothing(tmp_path):
    result = run(write(tmp_path, f"{HEADER}\n{ORDER}\n"), "--dry-run")
    assert "1 events would be imported" in result.output
    assert not InboxBody.objects.exists()


def test_one_invalid_event_keeps_the_file_out_unless_it_may_be_skipped(tmp_path):
    path = write(tmp_path, f"{HEADER}\n{ORDER}\n{ORDER.replace('1999', '-5')}\n")
    result = run(path)
    assert result.exit_code == 1
    assert f"{path}, row 2, value: -5 must be 0 or more" in result.output
    assert "1 of 2 events" in result.output
    assert not InboxBody.objects.exists()
    assert run(path, "--skip-invalid").exit_code == 0
    assert len(lake_rows("message_id")) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1999", "many", "row 1, value: 'many' must be a whole number"),
        ("1999", "1_999", "row 1, value: '1_999' must be a whole number"),
        ("1999", "9" * 400, "must be between -9007199254740992 and 9007199254740992"),
        ("1999", "NaN", "row 1, value: nan must be a whole number"),
        ("1999", "inf", "row 1, value: inf must be a whole number"),
        ("1999", "19.99", "row 1, value: 19.99 must be a whole number (money in minor units"),
        ("CNY", "yuan", "row 1, currency: 'yuan' must be three capital letters"),
        ("2026-05-04T11:00:00Z", "2099-01-01T00:00:00Z", "row 1, timestamp: '2099-01-01T00:00:00Z' lies in the future"),
        ("2026-05-04T11:00:00Z", "", "row 1, timestamp: is missing"),
        ("ann", "", "row 1, userId: is missing"),
        ("SAVE50", "a,b", "row 1: has 7 values, must have 6"),
        ("SAVE50", '"open', "is not CSV"),
        (HEADER, HEADER.replace("event", "name"), "has no column event; it has name, user_id"),
        (HEADER, HEADER.replace("coupon", "value"), "has the column value twice"),
        (ORDER, "", "has no events"),
    ],
)
def test_a_mistake_in_a_csv_is_named_with_its_place(tmp_path, old, new, message):
    result = run(write(tmp_path, f"{HEADER}\n{ORDER}".replace(old, new)))
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not InboxBody.objects.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'[{"event": "x"}]', "is a JSON list, must have one JSON object a line"),
        (b'{"event": "x"', "row 1: is not JSON"),
        (b"event,user_id,timestamp\nx,\xff\xfe,y", "line 2: is not UTF-8"),
        (gzip.compress(b"event,user_id,timestamp\n" * 1000)[:-20], "is a broken or cut off gzip file"),
        (b"\x1f\x8bnot gzip at all", "is a broken or cut off gzip file"),
        (b"PAR1 and no more", "is a broken Parquet file"),
        (b'{"a": "' + b"x" * 100_000_000 + b'"}', "line 1: has more than 1000000 bytes"),
    ],
    ids=["empty", "json list", "json", "utf-8", "cut gzip", "no gzip", "parquet", "100 MB line"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "events"
    path.write_bytes(content)
    result = run(path)
    assert result.exit_code == 1
    assert message in result.output
    assert not InboxBody.objects.exists()


def test_a_file_that_is_not_there_or_a_folder_or_cannot_be_read_is_named(tmp_path):
    assert "does not exist" in run(tmp_path / "nothing").output
    assert "is a folder" in run(tmp_path).output
    result = run(tmp_path / ("x" * 300))
    assert "cannot be read: File name too long" in result.output
    assert result.exit_code == 1


def test_rows_that_cannot_be_read_are_skipped_like_invalid_events(tmp_path):
    good = json.dumps(raw_event(1))
    timeless = json.dumps({**raw_event(2), "timestamp": None})
    path = write(tmp_path, f'{good}\n{{"event": \n{timeless}\n5\n')
    result = run(path)
    for message in ("row 2: is not JSON", "row 3, timestamp: is missing", "row 4, event: 5 must be a JSON object"):
        assert message in result.output
    assert not InboxBody.objects.exists()
    assert "1 events imported, 3 skipped" in run(path, "--skip-invalid").output


def test_empty_lines_of_a_csv_are_no_rows(tmp_path):
    assert "1 events imported, 0 skipped" in run(write(tmp_path, f"{HEADER}\n\n{ORDER}\n\n")).output


def test_ten_mistakes_are_shown_and_all_are_counted(tmp_path):
    bad = ORDER.replace("1999", "-1")
    result = run(write(tmp_path, "\n".join([HEADER, ORDER, *[bad] * 30])))
    assert result.output.count("must be 0 or more") == 10
    assert "30 of 31 events" in result.output
