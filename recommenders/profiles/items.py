"""The profile of every item: one row each. docs/profiles.md says what each column means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from recommenders.contracts import Kind

RECENT = 28  # days; popularity is that of these, and the trend compares them with as many before

ITEMS = """
CREATE OR REPLACE TEMP TABLE item_profiles AS
WITH counted AS (
  SELECT
    item_id,
    COUNT(*) FILTER (WHERE kind = $view) AS views,
    COUNT(*) FILTER (WHERE kind = $click) AS clicks,
    COUNT(*) FILTER (WHERE kind = $favourite) AS favourites,
    COUNT(*) FILTER (WHERE kind = $purchase) AS purchases,
    COUNT(DISTINCT acts.user_id) FILTER (WHERE kind = $purchase) AS buyers,
    COUNT(DISTINCT acts.user_id) FILTER (WHERE kind = $purchase AND acts.timestamp >= $recent) AS recent_buyers,
    COUNT(DISTINCT acts.user_id)
      FILTER (WHERE kind = $purchase AND acts.timestamp >= $earlier AND acts.timestamp < $recent) AS earlier_buyers,
    AVG(CAST(on_deal AS INTEGER)) AS promotion_share
  FROM acts LEFT JOIN orders ON orders.message_id = acts.message_id AND kind = $purchase
  GROUP BY item_id
), shown AS (
  SELECT item_id, COUNT(*) AS impressions FROM past
  WHERE event = 'Promotion Viewed' AND item_id IS NOT NULL GROUP BY item_id
)
SELECT
  item_id, text, category, price, price_rank,
  CASE
    WHEN price_rank IS NULL THEN '' WHEN price_rank < 0.25 THEN 'lowest quarter'
    WHEN price_rank < 0.5 THEN 'second quarter' WHEN price_rank < 0.75 THEN 'third quarter' ELSE 'highest quarter'
  END AS price_band,
  COALESCE(impressions, 0) AS impressions, COALESCE(views, 0) AS views, COALESCE(clicks, 0) AS clicks,
  COALESCE(favourites, 0) AS favourites, COALESCE(purchases, 0) AS purchases, COALESCE(buyers, 0) AS buyers,
  COALESCE(recent_buyers, 0) AS recent_buyers, COALESCE(earlier_buyers, 0) AS earlier_buyers,
  CASE WHEN earlier_buyers > 0 THEN recent_buyers / earlier_buyers END AS trend,
  promotion_share
FROM known_items LEFT JOIN counted USING (item_id) LEFT JOIN shown USING (item_id)
ORDER BY item_id
"""


def create_item_profiles(connection: duckdb.DuckDBPyConnection, *, until: datetime) -> None:
    """Make the table ``item_profiles``, sorted by item, from ``past``, ``acts``, ``orders`` and ``known_items``."""
    moment = until.astimezone(UTC)
    recent = timedelta(days=RECENT)
    kinds = {kind.name.lower(): int(kind) for kind in (Kind.VIEW, Kind.CLICK, Kind.FAVOURITE, Kind.PURCHASE)}
    connection.execute(ITEMS, {**kinds, "recent": moment - recent, "earlier": moment - 2 * recent})
