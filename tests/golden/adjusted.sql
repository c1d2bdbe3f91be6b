WITH exposures AS MATERIALIZED (
  SELECT
    ROW_NUMBER() OVER () AS id,
    user_id AS unit,
    MIN(timestamp) AS first_at,
    CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm,
    MIN(timestamp) - INTERVAL 7 DAY AS before_7,
    MIN(timestamp) - INTERVAL 2 DAY AS before_2,
    MIN(timestamp) + INTERVAL 2 DAY AS after_2,
    MIN(timestamp) + INTERVAL 3 DAY AS after_3,
    MIN(timestamp) + INTERVAL 7 DAY AS after_7,
    MIN(timestamp) + INTERVAL 14 DAY AS after_14,
    ARG_MIN(COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''), ROW(timestamp, COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''))) AS s0,
    ARG_MIN(COALESCE(JSON_EXTRACT_STRING(properties, $segment_1), ''), ROW(timestamp, COALESCE(JSON_EXTRACT_STRING(properties, $segment_1), ''))) AS s1
  FROM events
  WHERE event = $event_0 AND experiment = $experiment AND user_id IS NOT NULL AND timestamp >= $start AND timestamp < $end AND bucket >= $bucket_low AND bucket < $bucket_high
  GROUP BY user_id
), named AS (
  SELECT
    user_id AS unit,
    timestamp,
    value,
    CAST(CASE event WHEN $event_0 THEN 0 WHEN $event_1 THEN 1 WHEN $event_2 THEN 2 WHEN $event_3 THEN 3 WHEN $event_4 THEN 4 WHEN $event_5 THEN 5 END AS TINYINT) AS kind,
    CAST(CASE WHEN currency <> $currency THEN 1 ELSE 0 END AS TINYINT) AS foreign_money
  FROM events
  WHERE event IN ($event_0, $event_1, $event_2, $event_3, $event_4, $event_5) AND timestamp >= $start - INTERVAL 7 DAY AND timestamp < $end AND bucket >= $bucket_low AND bucket < $bucket_high
), events AS (
  SELECT exposures.id, exposures.arm, exposures.first_at, exposures.before_7, exposures.before_2, exposures.after_2, exposures.after_3, exposures.after_7, exposures.after_14, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= exposures.before_7
), sums AS (
  SELECT
    id,
    arm,
    SUM(foreign_money) FILTER (WHERE timestamp >= first_at) AS foreign_money,
    MIN(first_at) AS first_at,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp >= first_at) AS t0,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp >= first_at) AS t1,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp < first_at AND timestamp >= before_7) AS t2,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp < first_at AND timestamp >= before_7) AS t3,
    COALESCE(SUM(value) FILTER (WHERE kind = 3 AND timestamp >= first_at AND timestamp < after_3 AND foreign_money = 0), 0) AS t4,
    COALESCE(SUM(value) FILTER (WHERE kind = 4 AND timestamp >= first_at AND timestamp < after_3 AND foreign_money = 0), 0) AS t5,
    COALESCE(SUM(value) FILTER (WHERE kind = 3 AND timestamp < first_at AND timestamp >= before_2 AND foreign_money = 0), 0) AS t6,
    COALESCE(SUM(value) FILTER (WHERE kind = 4 AND timestamp < first_at AND timestamp >= before_2 AND foreign_money = 0), 0) AS t7,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp >= after_2) AS t8,
    COUNT(*) FILTER (WHERE kind = 5 AND timestamp >= after_2) AS t9,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp >= after_2) AS t10,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp >= first_at AND timestamp < after_7) AS t11,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp >= first_at AND timestamp < after_7) AS t12,
    COUNT(*) FILTER (WHERE kind = 1 AND timestamp >= after_7 AND timestamp < after_14) AS t13,
    COUNT(*) FILTER (WHERE kind = 2 AND timestamp >= after_7 AND timestamp < after_14) AS t14
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    arm,
    foreign_money,
    s0,
    s1,
    t0 AS m0_0,
    t1 AS m0_1,
    t2 AS m0_2,
    t3 AS m0_3,
    CASE WHEN first_at <= $seen_until - INTERVAL 3 DAY THEN LEAST(t4 - t5, $cap_1) END AS m1_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 3 DAY THEN t6 - t7 END AS m1_1,
    CASE WHEN first_at <= $seen_until - INTERVAL 2 DAY THEN CASE WHEN t8 + t9 + t10 > 0 THEN 1 ELSE 0 END END AS m2_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 14 DAY THEN (t13) - (t11) END AS d0_0,
    CASE WHEN first_at <= $seen_until - INTERVAL 3 DAY THEN t4 - t5 END AS r1_0
  FROM sums JOIN (SELECT id, s0, s1 FROM exposures) AS known USING (id)
), moments AS (
  SELECT
    arm,
    CASE WHEN GROUPING(s0) = 0 THEN 0 WHEN GROUPING(s1) = 0 THEN 1 ELSE -1 END AS dimension,
    CASE WHEN GROUPING(s0) = 0 THEN s0 WHEN GROUPING(s1) = 0 THEN s1 ELSE '' END AS segment,
    COUNT(*) AS n,
    SUM(foreign_money) AS foreign_money,
    SUM(m0_0) AS m0_0_sum,
    SUM(m0_1) AS m0_1_sum,
    SUM(m0_2) AS m0_2_sum,
    SUM(m0_3) AS m0_3_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_0 AS DECIMAL(19, 0))) AS m0_0_0_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_0_1_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_0_2_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_3 AS DECIMAL(19, 0))) AS m0_0_3_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_1_1_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_1_2_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_3 AS DECIMAL(19, 0))) AS m0_1_3_sum,
    SUM(CAST(m0_2 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_2_2_sum,
    SUM(CAST(m0_2 AS DECIMAL(19, 0)) * CAST(m0_3 AS DECIMAL(19, 0))) AS m0_2_3_sum,
    SUM(CAST(m0_3 AS DECIMAL(19, 0)) * CAST(m0_3 AS DECIMAL(19, 0))) AS m0_3_3_sum,
    COUNT(m1_0) AS m1_n,
    SUM(m1_0) AS m1_0_sum,
    SUM(m1_1) AS m1_1_sum,
    SUM(CAST(m1_0 AS DECIMAL(19, 0)) * CAST(m1_0 AS DECIMAL(19, 0))) AS m1_0_0_sum,
    SUM(CAST(m1_0 AS DECIMAL(19, 0)) * CAST(m1_1 AS DECIMAL(19, 0))) AS m1_0_1_sum,
    SUM(CAST(m1_1 AS DECIMAL(19, 0)) * CAST(m1_1 AS DECIMAL(19, 0))) AS m1_1_1_sum,
    SUM(POWER(CAST(m1_0 AS DOUBLE PRECISION), 3)) AS m1_cubes,
    COUNT(m2_0) AS m2_n,
    SUM(m2_0) AS m2_0_sum,
    SUM(CAST(m2_0 AS DECIMAL(19, 0)) * CAST(m2_0 AS DECIMAL(19, 0))) AS m2_0_0_sum,
    COUNT(d0_0) AS d0_n,
    SUM(d0_0) AS d0_0_sum,
    SUM(CAST(d0_0 AS DECIMAL(19, 0)) * CAST(d0_0 AS DECIMAL(19, 0))) AS d0_0_0_sum,
    COUNT(r1_0) AS r1_n,
    SUM(r1_0) AS r1_0_sum,
    SUM(CAST(r1_0 AS DECIMAL(19, 0)) * CAST(r1_0 AS DECIMAL(19, 0))) AS r1_0_0_sum
  FROM units
  GROUP BY GROUPING SETS ((arm), (arm, s0), (arm, s1))
)
SELECT * FROM moments ORDER BY dimension, segment, arm
