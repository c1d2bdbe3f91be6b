WITH exposures AS (
  SELECT
    ROW_NUMBER() OVER () AS id,
    user_id AS unit,
    MIN(timestamp) AS first_at,
    CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm,
    MIN(timestamp) + INTERVAL 7 DAY AS after_7
  FROM events
  WHERE event = $event_0 AND experiment = $experiment AND user_id IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY user_id
), named AS (
  SELECT
    user_id AS unit,
    timestamp,
    value,
    CAST(CASE event WHEN $event_0 THEN 0 WHEN $event_1 THEN 1 WHEN $event_2 THEN 2 END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ($event_0, $event_1, $event_2) AND timestamp >= $start AND timestamp < $end
), events AS (
  SELECT exposures.id, exposures.arm, exposures.first_at, exposures.after_7, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= exposures.first_at
), sums AS (
  SELECT
    arm,
    SUM(foreign_money) AS foreign_money,
    MIN(first_at) AS first_at,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND timestamp < after_7 AND foreign_money = 0), 0) AS t0,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND timestamp < after_7 AND foreign_money = 0), 0) AS t1,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp < after_7) AS t2
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    arm,
    foreign_money,
    CASE WHEN first_at <= $seen_until - INTERVAL 7 DAY THEN CAST(t0 - t1 AS DOUBLE PRECISION) / NULLIF(t2, 0) END AS value
  FROM sums
)
SELECT arm, value, COUNT(*) AS n
FROM units
WHERE arm IS NOT NULL AND value IS NOT NULL
GROUP BY arm, value
ORDER BY arm, value
