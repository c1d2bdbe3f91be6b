"""What is known of items: from the catalogue, and where that is silent, from the events that name them."""

from __future__ import annotations

import duckdb
import pandas as pd

from recommenders.contracts import Items

# Segment's own ``price`` is in major units of the currency, as the catalogue's is.
TOLD = """
CREATE OR REPLACE TEMP VIEW told AS
SELECT item_id, timestamp, told.category AS category, told.name AS text, TRY_CAST(told.price AS DOUBLE) AS price
FROM (
  SELECT
    item_id, timestamp,
    JSON_TRANSFORM(properties, '{"category": "VARCHAR", "name": "VARCHAR", "price": "VARCHAR"}') AS told
  FROM past
  WHERE item_id IS NOT NULL AND event IN ('Product Viewed', 'Product Added', 'Product Added to Wishlist')
    AND REGEXP_MATCHES(properties, '"(category|name|price)"')
  UNION ALL
  SELECT product.product_id, timestamp, {'category': product.category, 'name': product.name, 'price': product.price}
  FROM (
    SELECT timestamp, UNNEST(JSON_TRANSFORM(
      properties -> '$.products',
      '[{"product_id": "VARCHAR", "category": "VARCHAR", "name": "VARCHAR", "price": "VARCHAR"}]'
    )) AS product
    FROM past WHERE event = 'Order Completed' AND CONTAINS(properties, '"products"')
      AND REGEXP_MATCHES(properties, '"(category|name|price)"')
  )
  WHERE product.product_id <> ''
)
"""
KNOWN = """
CREATE OR REPLACE TEMP TABLE known_items AS
WITH latest AS (
  SELECT
    item_id,
    MAX_BY(category, ROW(timestamp, category)) FILTER (WHERE category <> '') AS category,
    MAX_BY(text, ROW(timestamp, text)) FILTER (WHERE text <> '') AS text,
    MAX_BY(price, ROW(timestamp, price)) FILTER (WHERE price >= 0) AS price
  FROM told GROUP BY item_id
), every AS (
  SELECT item_id FROM catalogue UNION SELECT item_id FROM latest
  UNION SELECT item_id FROM past WHERE item_id IS NOT NULL
), described AS (
  SELECT
    item_id,
    COALESCE(NULLIF(catalogue.text, ''), latest.text, '') AS text,
    COALESCE(NULLIF(catalogue.category, ''), latest.category, '') AS category,
    COALESCE(catalogue.price, latest.price) AS price
  FROM every LEFT JOIN catalogue USING (item_id) LEFT JOIN latest USING (item_id)
), ranked AS (
  SELECT
    item_id,
    (RANK() OVER prices - 1) + (COUNT(*) OVER (PARTITION BY category, price) - 1) / 2 AS cheaper,
    COUNT(*) OVER (PARTITION BY category) AS priced
  FROM described WHERE category <> '' AND price IS NOT NULL
  WINDOW prices AS (PARTITION BY category ORDER BY price)
)
SELECT described.*, CASE WHEN priced > 1 THEN cheaper / (priced - 1) END AS price_rank
FROM described LEFT JOIN ranked USING (item_id)
"""


def create_items(connection: duckdb.DuckDBPyConnection, items: Items) -> None:
    """Make the table ``known_items`` from the catalogue and the ``past`` events.

    Columns: ``item_id, text, category`` ("" where unknown), ``price`` and ``price_rank``: the share of the category's
    other items that cost less, a tie counting half; NULL without a price, a category or another item to compare with.
    """
    known = items.categories if items.categories is not None else [-1] * len(items)
    frame = pd.DataFrame(
        {
            "item_id": pd.Series(items.ids, dtype=object),
            "text": pd.Series(items.texts or [""] * len(items), dtype=object),
            "category": pd.Series([items.category_names[code] if code >= 0 else "" for code in known], dtype=object),
            "price": pd.Series(items.prices if items.prices is not None else [None] * len(items), dtype="float64"),
        }
    )
    connection.register("given", frame)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE catalogue AS SELECT CAST(item_id AS VARCHAR) AS item_id,"
        " CAST(text AS VARCHAR) AS text, CAST(category AS VARCHAR) AS category,"
        " CASE WHEN ISFINITE(price) THEN price END AS price FROM given"
    )
    connection.unregister("given")
    connection.execute(TOLD)
    connection.execute(KNOWN)
