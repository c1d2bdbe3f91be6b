WITH recent AS (
  SELECT user_id AS unit, MIN(timestamp) AS first_at, MIN(timestamp) - INTERVAL 1 DAY AS before_1, MIN(timestamp) + INTERVAL 2 DAY AS after_2, MIN(timestamp) + INTERVAL 3 DAY AS after_3
  FROM events
  WHERE user_id IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY user_id
  ORDER BY MD5(user_id)
  LIMIT $limit
), named AS (
  SELECT
    user_id AS unit,
    timestamp,
    value,
    CAST(CASE event WHEN $event_0 THEN 0 WHEN $event_1 THEN 1 WHEN $event_2 THEN 2 WHEN $event_3 THEN 3 WHEN $event_4 THEN 4 END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ($event_0, $event_1, $event_2, $event_3, $event_4)
    AND timestamp >= $start - INTERVAL 1 DAY AND timestamp < $end
), sums AS (
  SELECT
    recent.unit,
    first_at,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp >= first_at) AS t0,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp >= first_at) AS t1,
    COUNT(*) FILTER (WHERE kind = 3 AND timestamp >= first_at AND timestamp < after_3) AS t2,
    COALESCE(SUM(value) FILTER (WHERE kind = 3 AND timestamp >= first_at AND timestamp < after_2 AND foreign_money = 0), 0) AS t3,
    COALESCE(SUM(value) FILTER (WHERE kind = 4 AND timestamp >= first_at AND timestamp < after_2 AND foreign_money = 0), 0) AS t4,
    COALESCE(SUM(value) FILTER (WHERE kind = 3 AND timestamp < first_at AND timestamp >= before_1 AND foreign_money = 0), 0) AS t5,
    COALESCE(SUM(value) FILTER (WHERE kind = 4 AND timestamp < first_at AND timestamp >= before_1 AND foreign_money = 0), 0) AS t6
  FROM recent
  LEFT JOIN named ON named.unit = recent.unit AND timestamp >= recent.before_1
  GROUP BY recent.unit, first_at
)
SELECT
    t0 AS m0_0,
    t1 AS m0_1,
    CASE WHEN first_at <= $seen_until - INTERVAL 3 DAY THEN CASE WHEN t2 > 0 THEN 1 ELSE 0 END END AS m1_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 2 DAY THEN t3 - t4 END AS m2_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 2 DAY THEN t5 - t6 END AS m2_1
FROM sums
ORDER BY MD5(unit)
