WITH exposures AS MATERIALIZED (
  SELECT
    ROW_NUMBER() OVER () AS id,
    user_id AS unit,
    MIN(timestamp) AS first_at,
    CASE WHEN MIN(arm) = MAX(arm) THEN MIN(arm) END AS arm,
    ARG_MIN(COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''), ROW(timestamp, COALESCE(JSON_EXTRACT_STRING(properties, $segment_0), ''))) AS s0
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
  SELECT exposures.id, exposures.arm, exposures.first_at, timestamp, value, kind, foreign_money
  FROM exposures
  JOIN named ON named.unit = exposures.unit AND timestamp >= exposures.first_at
), sums AS (
  SELECT
    id,
    arm,
    SUM(foreign_money) AS foreign_money,
    COALESCE(SUM(value) FILTER (WHERE kind = 1 AND foreign_money = 0), 0) AS t0,
    COALESCE(SUM(value) FILTER (WHERE kind = 2 AND foreign_money = 0), 0) AS t1
  FROM events
  GROUP BY id, arm
), units AS (
  SELECT
    arm,
    foreign_money,
    s0,
    s1,
    t0 - t1 AS m0_0,
    COALESCE(profile_orders, 0) AS m0_1,
    CASE WHEN profile_orders IS NULL THEN 1 ELSE 0 END AS m0_2
  FROM sums JOIN (SELECT id, s0, COALESCE(profiles.interest, 'none') AS s1, profiles.orders AS profile_orders FROM exposures LEFT JOIN profiles ON profiles.user_id = exposures.unit) AS known USING (id)
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
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_0 AS DECIMAL(19, 0))) AS m0_0_0_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_0_1_sum,
    SUM(CAST(m0_0 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_0_2_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_1 AS DECIMAL(19, 0))) AS m0_1_1_sum,
    SUM(CAST(m0_1 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_1_2_sum,
    SUM(CAST(m0_2 AS DECIMAL(19, 0)) * CAST(m0_2 AS DECIMAL(19, 0))) AS m0_2_2_sum,
    SUM(POWER(CAST(m0_0 AS DOUBLE PRECISION), 3)) AS m0_cubes
  FROM units
  GROUP BY GROUPING SETS ((arm), (arm, s0), (arm, s1))
)
SELECT * FROM moments ORDER BY dimension, segment, arm
