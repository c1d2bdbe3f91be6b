"""Tables are read by named columns, nothing is guessed, and mistakes are said with their row."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import numpy as np
import pytest

from recommenders.contracts import Kind
from recommenders.data.tables import EventColumns, ItemColumns, load_items, load_tables
from recommenders.errors import InvalidData

EVENTS = """user_id,item_id,at,what,stars
007,b,2026-01-02 10:00:00+01,view,3.5
07,"c,d",2026-01-02T08:00:00Z,PURCHASE,4
007,a,2026-01-01,3,1
"""
ALL = EventColumns(time="at", kind="what", value="stars", rated=True)


def written(folder: Path, content: str, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_a_csv_file_is_read_by_its_columns(tmp_path: Path) -> None:
    data = load_tables(written(tmp_path, EVENTS), ALL)
    assert data.user_ids == ("007", "07")
    assert data.catalogue.ids == ("a", "b", "c,d")
    assert data.users.tolist() == [0, 0, 1]
    assert data.items.tolist() == [0, 1, 2]
    assert data.times.tolist() == [1_767_225_600, 1_767_344_400, 1_767_340_800]
    assert data.kinds.tolist() == [Kind.PURCHASE, Kind.VIEW, Kind.PURCHASE]
    assert data.values.tolist() == [1, 3.5, 4]
    assert data.rated


def test_parquet_and_packed_csv_give_the_same_as_csv(tmp_path: Path) -> None:
    plain = written(tmp_path, EVENTS)
    with gzip.open(tmp_path / "events.csv.gz", "wt") as file:
        file.write(EVENTS)
    duckdb.execute(
        'COPY (SELECT user_id, item_id, "at"::TIMESTAMPTZ AS "at", what, stars::DOUBLE AS stars FROM '
        f"read_csv('{plain}', all_varchar = true)) TO '{tmp_path / 'events.parquet'}' (FORMAT parquet)"
    )
    expected = load_tables(plain, ALL)
    for name in ("events.csv.gz", "events.parquet"):
        data = load_tables(tmp_path / name, ALL)
        assert (data.user_ids, data.catalogue.ids) == (expected.user_ids, expected.catalogue.ids)
        for column in ("users", "items", "times", "kinds", "values"):
            np.testing.assert_array_equal(getattr(data, column), getattr(expected, column))


def test_without_times_rows_are_in_order_and_all_are_purchases(tmp_path: Path) -> None:
    data = load_tables(written(tmp_path, "user_id,item_id\nx,b\ny,a\nx,a\nx,c\n"))
    assert data.items.tolist() == [1, 0, 2, 0]
    assert set(data.kinds.tolist()) == {Kind.PURCHASE}


def test_numbers_are_times_too_and_are_rounded_down_to_seconds(tmp_path: Path) -> None:
    data = load_tables(written(tmp_path, "user_id,item_id,t\nx,a,1.9\nx,b,-0.5\n"), EventColumns(time="t"))
    assert data.times.tolist() == [-1, 1]
    assert data.items.tolist() == [1, 0]


def test_a_file_of_items_gives_their_features(tmp_path: Path) -> None:
    items = written(
        tmp_path,
        "sku,title,about,class,cost,labels\nb,Lamp,red,home,9.5,new | sale\na,Tea,,,,\nc,Sofa,,home,300,\n",
        "items.csv",
    )
    columns = ItemColumns(item="sku", texts=("title", "about"), category="class", price="cost", tags="labels")
    data = load_tables(written(tmp_path, "user_id,item_id\nx,a\nx,b\n"), items=items, item_columns=columns)
    assert data.catalogue.ids == ("b", "a", "c")
    assert data.items.tolist() == [1, 0]
    assert data.catalogue.texts == ("Lamp red", "Tea", "Sofa")
    assert data.catalogue.category_names == ("home",)
    assert data.catalogue.categories is not None
    assert data.catalogue.categories.tolist() == [0, -1, 0]
    assert data.catalogue.prices is not None
    np.testing.assert_array_equal(data.catalogue.prices, np.array([9.5, np.nan, 300], dtype=np.float32))
    assert data.catalogue.tags == (("new", "sale"), (), ())
    assert load_items(items, ItemColumns(item="sku")).features == frozenset()


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        ("user_id,item_id\n", EventColumns(), "events.csv has no rows"),
        ("", EventColumns(), "file: events.csv"),
        ("user_id,sku\nx,a\n", EventColumns(), "item_id: events.csv has no such column; it has user_id, sku"),
        ("USER_ID,item_id\nx,a\n", EventColumns(), "user_id: events.csv has no such column"),
        ("user_id,item_id\nx,a\n,b\n", EventColumns(), "user_id: events.csv: 1 rows have no id, the first is row 2"),
        (
            'user_id,item_id\nx,a\nx,""\nx,\n',
            EventColumns(),
            "item_id: events.csv: 2 rows have no id, the first is row 2",
        ),
        (
            "user_id,item_id,t\nx,a,1\nx,b,soon\n",
            EventColumns(time="t"),
            "t: events.csv, row 2: 'soon' must be a number or a time",
        ),
        ("user_id,item_id,t\nx,a,yesterday\n", EventColumns(time="t"), "t: events.csv, row 1: 'yesterday' must be"),
        ("user_id,item_id,t\nx,a,\n", EventColumns(time="t"), "t: events.csv, row 1"),
        ("user_id,item_id,v\nx,a,many\n", EventColumns(value="v"), "v: events.csv, row 1: 'many' must be a number"),
        ("user_id,item_id,v\nx,a,inf\n", EventColumns(value="v"), "v: events.csv, row 1: 'inf' must be a number"),
        (
            "user_id,item_id,k\nx,a,looked\n",
            EventColumns(kind="k"),
            "k: events.csv, row 1: 'looked' must be one of view",
        ),
    ],
)
def test_a_mistake_in_the_events_is_said(tmp_path: Path, content: str, columns: EventColumns, said: str) -> None:
    with pytest.raises(InvalidData) as raised:
        load_tables(written(tmp_path, content), columns)
    assert said in str(raised.value)


def test_an_event_of_an_item_that_is_not_in_the_file_of_items_is_refused(tmp_path: Path) -> None:
    items = written(tmp_path, "item_id\na\n", "items.csv")
    with pytest.raises(InvalidData, match=r"2 events name items that items\.csv does not have, such as 'z'"):
        load_tables(written(tmp_path, "user_id,item_id\nx,a\nx,z\ny,z\n"), items=items)


def test_an_item_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="an id is given twice"):
        load_items(written(tmp_path, "item_id\na\na\n", "items.csv"))


def test_a_file_that_is_absent_broken_or_of_another_kind_is_said(tmp_path: Path) -> None:
    written(tmp_path, "no parquet", "some.parquet")
    written(tmp_path, "user_id,item_id\nx,a\n", "some.xlsx")
    for name, said in (
        ("absent.csv", "there is no file"),
        ("some.parquet", "some.parquet cannot be read"),
        ("some.xlsx", "must end in .csv"),
    ):
        with pytest.raises(InvalidData, match=said):
            load_tables(tmp_path / name)


def test_names_of_columns_are_never_run_as_sql(tmp_path: Path) -> None:
    name = 'x"; DROP TABLE y; --'
    quoted = '"' + name.replace('"', '""') + '"'
    data = load_tables(written(tmp_path, f"{quoted},item_id\nu,a\n"), EventColumns(user=name))
    assert data.user_ids == ("u",)
