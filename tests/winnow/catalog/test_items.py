"""``winnow items``: files of items."""

from __future__ import annotations

import gzip

import duckdb
import pytest
from click.testing import CliRunner

from winnow.catalog.items import catalogue
from winnow.catalog.models import Item
from winnow.cli import main

pytestmark = pytest.mark.django_db

HEAD = "item_id,title,description,category,price,tags,available\n"


def run(*arguments: object):
    return CliRunner().invoke(main, ["items", *map(str, arguments)])


def test_a_file_of_items_is_the_catalogue(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(HEAD + 'a,Bread,"brown, sliced",food,2.50,fresh|local,yes\nb,Lamp,,,,,0\n')
    done = run(path)
    assert done.exit_code == 0, done.output
    first, second = Item.objects.order_by("item_id")
    assert (first.text, first.category, first.price) == ("Bread brown, sliced", "food", 2.5)
    assert (first.tags, first.available) == (["fresh", "local"], True)
    assert (second.text, second.category, second.price, second.tags) == ("Lamp", "", None, [])
    assert not second.available


def test_importing_again_changes_what_the_file_has_columns_for(tmp_path):
    Item.objects.create(item_id="a", text="old", category="food", price=1.0)
    Item.objects.create(item_id="z", text="stays")
    path = tmp_path / "items.csv.gz"
    path.write_bytes(gzip.compress(b"sku,words,price\na,new,3\n"))
    done = run(path, "--item", "sku", "--text", "words")
    assert done.exit_code == 0, done.output
    found = Item.objects.get(item_id="a")
    assert (found.text, found.category, found.price) == ("new", "food", 3.0)
    assert Item.objects.count() == 2


def test_parquet_is_read_with_its_lists(tmp_path):
    path = tmp_path / "items.parquet"
    duckdb.sql(
        "COPY (SELECT 7 AS item_id, 'Lamp' AS title, NULL AS category, 9.5 AS price, ['a', 'b'] AS tags,"
        f" true AS available) TO '{path}'"
    )
    assert run(path).exit_code == 0
    found = Item.objects.get()
    assert (found.item_id, found.text, found.price, found.tags, found.available) == ("7", "Lamp", 9.5, ["a", "b"], True)


def test_one_bad_row_and_nothing_is_imported_and_each_is_named_by_its_line(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(
        HEAD + 'a,"two\nlines",,,1,,\n,Nameless,,,,,\nb,B,,,-1,,\nc,C,,,dear,,\nd,D,,,,,perhaps\na,Again,,,,,\n'
        f"{'e' * 201},E,,,,,\n"
    )
    done = run(path)
    assert done.exit_code == 1
    for words in (
        "6 rows of items.csv break a rule; none was imported",
        "line 4: item_id: is missing",
        "line 5: price: '-1' must be a number from 0 up",
        "line 6: price: 'dear' must be a number",
        "line 7: available: 'perhaps' must be true or false",
        "line 8: item_id: 'a' is also in line 3",
        "line 9: item_id:",
    ):
        assert words in done.output
    assert not Item.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("items.csv", "", "item_id: items.csv has no such column"),
        ("items.csv", "item_id\n", "items.csv has no rows"),
        ("items.csv", "id\n1\n", "item_id: items.csv has no such column; it has id"),
        ("items.csv", "item_id,price\na,1,2\n", "line 2: more values than columns"),
        ("items.csv", b"item_id\n\xff\n", "cannot be read"),
        ("items.parquet", "no parquet", "cannot be read"),
        ("items.xlsx", "", "must end in .csv"),
        ("items.csv.gz", "no gzip", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(path)
    assert (done.exit_code, "Traceback" in done.output) == (1, False)
    assert words in done.output


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "there is no file" in run(tmp_path / "none.csv").output


def test_features_that_no_item_has_are_none():
    assert catalogue() is None
    Item.objects.create(item_id="a")
    assert catalogue().features == frozenset()
