"""The profile of every user: one row each. docs/profiles.md says what each column means."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from recommenders.contracts import Kind
from recommenders.profiles.figures import NONE, OTHER

HALF_LIFE = 30  # days after which an act says half as much about what a user is interested in
TOP = 5  # categories and types of campaigns that are kept of a user
COMMON = 10  # of them that are segments of their own; the others are one

SEEN = """
CREATE OR REPLACE TEMP TABLE seen AS
SELECT user_id, COUNT(*) AS events, DATE_DIFF('microsecond', MIN(timestamp), $until) / 86400e6 AS tenure_days
FROM past GROUP BY user_id
"""
DONE = """
CREATE OR REPLACE TEMP TABLE done AS
SELECT
  user_id,
  COUNT(*) FILTER (WHERE kind = $view) AS views,
  COUNT(*) FILTER (WHERE kind = $click) AS clicks,
  COUNT(*) FILTER (WHERE kind = $favourite) AS favourites,
  COUNT(*) FILTER (WHERE kind = $purchase) AS purchases,
  AVG(price_rank) FILTER (WHERE kind = $purchase) AS price_level,
  MAX(timestamp) AS last_act
FROM acts LEFT JOIN known_items USING (item_id) GROUP BY user_id
"""
BOUGHT = """
CREATE OR REPLACE TEMP TABLE bought AS
WITH gaps AS (
  SELECT *, timestamp - LAG(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, message_id) AS gap FROM orders
), refunds AS (
  SELECT user_id, SUM(value) AS refunded FROM past
  WHERE event = 'Order Refunded' AND currency = $currency GROUP BY user_id
), summed AS (
  SELECT
    user_id,
    COUNT(*) AS orders,
    COALESCE(SUM(value), 0) AS paid,
    COUNT(DISTINCT DATE_TRUNC('month', TIMEZONE($zone, timestamp))) FILTER (WHERE value IS NOT NULL) AS months,
    CAST(ROUND(MEDIAN(value)) AS BIGINT) AS median_order,
    AVG(CAST(on_deal AS INTEGER)) AS deal_share,
    MEDIAN(EXTRACT(EPOCH FROM gap)) / 86400 AS order_gap_days,
    MAX(timestamp) AS last_order
  FROM gaps GROUP BY user_id
)
SELECT
  user_id, orders, CAST(paid - COALESCE(refunded, 0) AS BIGINT) AS spend,
  CAST(ROUND((paid - COALESCE(refunded, 0)) / NULLIF(months, 0)) AS BIGINT) AS spend_per_month,
  median_order, deal_share, order_gap_days, last_order
FROM summed LEFT JOIN refunds USING (user_id)
"""
# What a user orders says when they shop; of those who never ordered, what else they did.
RHYTHM = """
CREATE OR REPLACE TEMP TABLE habits AS
WITH moments AS (
  SELECT user_id, TIMEZONE($zone, timestamp) AS local_time FROM orders
  UNION ALL
  SELECT user_id, TIMEZONE($zone, timestamp) FROM acts ANTI JOIN orders USING (user_id)
), hours AS (
  SELECT user_id, EXTRACT(HOUR FROM local_time) AS hour, COUNT(*) AS n FROM moments GROUP BY user_id, hour
), weekdays AS (
  SELECT user_id, EXTRACT(ISODOW FROM local_time) AS weekday, COUNT(*) AS n FROM moments GROUP BY user_id, weekday
)
SELECT user_id, favourite_hour, favourite_weekday
FROM (SELECT user_id, CAST(MAX_BY(hour, ROW(n, -hour)) AS TINYINT) AS favourite_hour FROM hours GROUP BY user_id)
JOIN (
  SELECT user_id, CAST(MAX_BY(weekday, ROW(n, -weekday)) AS TINYINT) AS favourite_weekday FROM weekdays GROUP BY user_id
) USING (user_id)
"""
INTERESTS = """
CREATE OR REPLACE TEMP TABLE interests AS
WITH weights AS (
  SELECT user_id, category, SUM(POWER(0.5, DATE_DIFF('second', timestamp, $until) / 86400.0 / $half_life)) AS weight
  FROM acts JOIN known_items USING (item_id) WHERE category <> '' GROUP BY user_id, category
), shares AS (
  SELECT user_id, category, ROUND(weight / SUM(weight) OVER (PARTITION BY user_id), 4) AS share FROM weights
)
SELECT user_id, LIST({'name': category, 'share': share} ORDER BY share DESC, category)[1:$top] AS interests
FROM shares GROUP BY user_id
"""
# A campaign that is claimed and redeemed on one day is one participation. Its type is the category that the catalogue
# gives it, or what the event calls it; where neither says anything each campaign is a type of its own.
CAMPAIGNS = """
CREATE OR REPLACE TEMP TABLE participations AS
WITH joined AS (
  SELECT DISTINCT user_id, campaign_id, CAST(timestamp AS DATE) AS day,
    CASE WHEN CONTAINS(properties, '"campaign_type"')
      THEN COALESCE(JSON_EXTRACT_STRING(properties, '$.campaign_type'), '') ELSE '' END AS told
  FROM past
  WHERE event IN ('Promotion Joined', 'Coupon Claimed', 'Coupon Redeemed') AND campaign_id IS NOT NULL
), named AS (
  SELECT user_id, campaign_id, day, MAX(told) AS told FROM joined GROUP BY user_id, campaign_id, day
), counted AS (
  SELECT
    user_id,
    COALESCE(NULLIF(known_items.category, ''), NULLIF(told, ''), campaign_id) AS name,
    COUNT(*) AS n
  FROM named LEFT JOIN known_items ON known_items.item_id = campaign_id GROUP BY user_id, name
)
SELECT
  user_id, CAST(SUM(n) AS BIGINT) AS campaigns_joined,
  LIST({'name': name, 'times': n} ORDER BY n DESC, name)[1:$top] AS campaigns
FROM counted GROUP BY user_id
"""
TOGETHER = """
CREATE OR REPLACE TEMP TABLE user_rows AS
SELECT
  user_id, events, COALESCE(views, 0) AS views, COALESCE(clicks, 0) AS clicks, COALESCE(favourites, 0) AS favourites,
  COALESCE(purchases, 0) AS purchases, COALESCE(orders, 0) AS orders, COALESCE(spend, 0) AS spend, spend_per_month,
  median_order, deal_share, price_level, order_gap_days,
  DATE_DIFF('microsecond', GREATEST(last_act, last_order), $until) / 86400e6 AS days_since_last,
  tenure_days, COALESCE(campaigns_joined, 0) AS campaigns_joined,
  favourite_weekday, favourite_hour, COALESCE(interests, []) AS interests, COALESCE(campaigns, []) AS campaigns
FROM seen
LEFT JOIN done USING (user_id) LEFT JOIN bought USING (user_id) LEFT JOIN habits USING (user_id)
LEFT JOIN interests USING (user_id) LEFT JOIN participations USING (user_id)
"""
# Quarters by cuts, not by ranks: users with the same spend are in the same quarter.
USERS = """
WITH cuts AS (
  SELECT QUANTILE_CONT(spend_per_month, [0.25, 0.5, 0.75]) AS power FROM user_rows WHERE spend_per_month IS NOT NULL
), common AS (
  SELECT
    (SELECT LIST(name) FROM (SELECT interests[1].name AS name FROM user_rows WHERE interests <> []
      GROUP BY name ORDER BY COUNT(*) DESC, name LIMIT $common)) AS interests,
    (SELECT LIST(name) FROM (SELECT campaigns[1].name AS name FROM user_rows WHERE campaigns <> []
      GROUP BY name ORDER BY COUNT(*) DESC, name LIMIT $common)) AS campaigns
)
SELECT
  user_rows.*,
  CASE
    WHEN spend_per_month IS NULL THEN $none WHEN spend_per_month <= cuts.power[1] THEN 'lowest quarter'
    WHEN spend_per_month <= cuts.power[2] THEN 'second quarter'
    WHEN spend_per_month <= cuts.power[3] THEN 'third quarter'
    ELSE 'highest quarter'
  END AS segment_purchasing_power,
  CASE
    WHEN deal_share IS NULL THEN $none WHEN deal_share < 1 / 3 THEN 'low' WHEN deal_share <= 2 / 3 THEN 'middle'
    ELSE 'high'
  END AS segment_price_sensitivity,
  CASE
    WHEN orders = 0 THEN $none WHEN orders = 1 THEN 'one order' WHEN order_gap_days <= 10 THEN 'weekly'
    WHEN order_gap_days <= 45 THEN 'monthly' ELSE 'seldom'
  END AS segment_rhythm,
  CASE
    WHEN user_rows.interests = [] THEN $none
    WHEN LIST_CONTAINS(common.interests, user_rows.interests[1].name) THEN user_rows.interests[1].name ELSE $other
  END AS segment_interest,
  CASE
    WHEN user_rows.campaigns = [] THEN $none
    WHEN LIST_CONTAINS(common.campaigns, user_rows.campaigns[1].name) THEN user_rows.campaigns[1].name ELSE $other
  END AS segment_campaign
FROM user_rows, cuts, common
ORDER BY user_id
"""


def create_users(connection: duckdb.DuckDBPyConnection, *, until: datetime, currency: str, zone: str) -> None:
    """Make the table ``user_profiles``, sorted by user, from ``past``, ``acts``, ``orders`` and ``known_items``.

    Args:
        until: the moment of the profile.
        currency: the main one; money in others is left out.
        zone: the time zone of hours, weekdays and months.
    """
    moment = until.astimezone(UTC)
    kinds = {kind.name.lower(): int(kind) for kind in (Kind.VIEW, Kind.CLICK, Kind.FAVOURITE, Kind.PURCHASE)}
    connection.execute(SEEN, {"until": moment})
    connection.execute(DONE, kinds)
    connection.execute(BOUGHT, {"currency": currency, "zone": zone})
    connection.execute(RHYTHM, {"zone": zone})
    connection.execute(INTERESTS, {"until": moment, "half_life": HALF_LIFE, "top": TOP})
    connection.execute(CAMPAIGNS, {"top": TOP})
    connection.execute(TOGETHER, {"until": moment})
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE user_profiles AS {USERS}",
        {"none": NONE, "other": OTHER, "common": COMMON},
    )
    for name in ("seen", "done", "bought", "habits", "interests", "participations", "user_rows"):
        connection.execute(f"DROP TABLE {name}")
