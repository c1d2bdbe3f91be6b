"""The orders of every user: value in the main currency, and whether money was taken off."""

from __future__ import annotations

import duckdb

CURRENCY = """
SELECT currency FROM past WHERE event = 'Order Completed' AND currency IS NOT NULL
GROUP BY currency ORDER BY COUNT(*) DESC, currency LIMIT 1
"""
# A coupon that was redeemed says which day, and seldom which order: it counts for the orders of that day.
ORDERS = """
CREATE OR REPLACE TEMP TABLE orders AS
WITH redeemed AS (
  SELECT DISTINCT user_id, CAST(timestamp AS DATE) AS day FROM past WHERE event = 'Coupon Redeemed'
)
SELECT
  past.user_id, timestamp, message_id,
  CASE WHEN currency = $currency THEN value END AS value,
  redeemed.day IS NOT NULL
    OR (CONTAINS(properties, '"coupon"') AND COALESCE(JSON_EXTRACT_STRING(properties, '$.coupon'), '') <> '')
    OR (CONTAINS(properties, '"discount"')
      AND COALESCE(TRY_CAST(JSON_EXTRACT_STRING(properties, '$.discount') AS DOUBLE), 0) > 0) AS on_deal
FROM past LEFT JOIN redeemed ON redeemed.user_id = past.user_id AND redeemed.day = CAST(timestamp AS DATE)
WHERE event = 'Order Completed'
"""


def create_orders(connection: duckdb.DuckDBPyConnection) -> str:
    """Make the table ``orders (user_id, timestamp, message_id, value, on_deal)`` from the ``past`` events.

    Returns the main currency, the one of most orders ("" without orders); ``value`` is NULL in any other.
    """
    found = connection.execute(CURRENCY).fetchone()
    currency = str(found[0]) if found else ""
    connection.execute(ORDERS, {"currency": currency})
    return currency
