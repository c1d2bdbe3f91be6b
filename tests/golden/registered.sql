WITH exposures AS MATERIALIZED (
  SELECT
    ROW_NUMBER() OVER () AS id,
    user_id AS unit,
    MIN(timestamp) AS first_at,
    CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm,
    MIN(timestamp) - INTERVAL 28 DAY AS before_28,
    MIN(timestamp) + INTERVAL 7 DAY AS after_7,
    MIN(timestamp) + INTERVAL 14 DAY AS after_14,
    ARG_MIN(COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''), ROW(timestamp, COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''))) AS s0
  FROM events
  WHERE event = $event_0 AND experiment = $experiment AND user_id IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY user_id
), named AS (
  SELECT
    user_id AS unit,
    timestamp,
    value,
    CAST(CASE event WHEN $event_0 THEN 0 WHEN $event_1 THEN 1 WHEN $event_2 THEN 2 WHEN $event_3 THEN 3 WHEN $event_4 THEN 4 WHEN $event_5 THEN 5 END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ($event_0, $event_1, $event_2, $event_3, $event_4, $event_5) AND timestamp >= $start - INTERVAL 28 DAY AND timestamp < $end
), events AS (
  SELECT exposures.id, exposures.arm, exposures.first_at, exposures.before_28, exposures.after_7, exposures.after_14, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= exposures.before_28
), sums AS (
  SELECT
    id,
    arm,
    SUM(foreign_money) FILTER (WHERE timestamp >= first_at) AS foreign_money,
    MIN(first_at) AS first_at,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND timestamp >= first_at AND foreign_money = 0), 0) AS t0,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND timestamp >= first_at AND foreign_money = 0), 0) AS t1,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND timestamp < first_at AND timestamp >= before_28 AND foreign_money = 0), 0) AS t2,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND timestamp < first_at AND timestamp >= before_28 AND foreign_money = 0), 0) AS t3,
    COUNT(*) FILTER (WHERE kind = 3 AND timestamp >= after_7 AND timestamp < after_14) AS t4,
    COUNT(*) FILTER (WHERE kind = 4 AND timestamp >= after_7 AND timestamp < after_14) AS t5,
    COUNT(*) FILTER (WHERE kind = 5 AND timestamp >= after_7 AND timestamp < after_14) AS t6,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND timestamp >= first_at AND timestamp < after_7 AND foreign_money = 0), 0) AS t7,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND timestamp >= first_at AND timestamp < after_7 AND foreign_money = 0), 0) AS t8,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND timestamp >= after_7 AND timestamp < after_14 AND foreign_money = 0), 0) AS t9,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND timestamp >= after_7 AND timestamp < after_14 AND foreign_money = 0), 0) AS t10
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    arm,
    foreign_money,
    s0,
    LEAST(t0 - t1, $cap_0) AS m0_0,
    t2 - t3 AS m0_1,
    CASE WHEN first_at <= $seen_until - INTERVAL 14 DAY THEN CASE WHEN t4 + t5 + t6 > 0 THEN 1 ELSE 0 END END AS m1_0,
    t0 - t1 AS r0_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 14 DAY THEN (t9 - t10) - (t7 - t8) END AS d0_0
  FROM sums JOIN (SELECT id, s0 FROM exposures) AS known USING (id)
), moments AS (
  SELECT
    arm,
    CASE WHEN GROUPING(s0) = 0 THEN 0 ELSE -1 END AS dimension,
    CASE WHEN GROUPING(s0) = 0 THEN s0 ELSE '' END AS segment,
    COUNT(*) AS n,
    SUM(foreign_money) AS foreign_money,
    SUM(m0_0) AS m0_0_sum,
    SUM(m0_1) AS m0_1_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_0 AS DECIMAL(19, 0))) AS m0_0_0_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_0_1_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_1_1_sum,
    SUM(POWER(CAST(m0_0 AS DOUBLE PRECISION), 3)) AS m0_cubes,
    COUNT(m1_0) AS m1_n,
    SUM(m1_0) AS m1_0_sum,
    SUM(CAST(m1_0 AS DECIMAL(19, 0)) * CAST(m1_0 AS DECIMAL(19, 0))) AS m1_0_0_sum,
    SUM(r0_0) AS r0_0_sum,
    SUM(CAST(r0_0 AS DECIMAL(19, 0)) * CAST(r0_0 AS DECIMAL(19, 0))) AS r0_0_0_sum,
    COUNT(d0_0) AS d0_n,
    SUM(d0_0) AS d0_0_sum,
    SUM(CAST(d0_0 AS DECIMAL(19, 0)) * CAST(d0_0 AS DECIMAL(19, 0))) AS d0_0_0_sum
  FROM units
  GROUP BY GROUPING SETS ((arm), (arm, s0))
)
SELECT * FROM moments ORDER BY dimension, segment, arm
