WITH cells AS (
  SELECT
    NULLIF(TRIM(CAST("arm" AS VARCHAR)), '') AS arm,
    NULLIF(TRIM(CAST("user" AS VARCHAR)), '') AS unit,
    NULLIF(TRIM(CAST("bought" AS VARCHAR)), '') AS x0,
    NULLIF(TRIM(CAST("paid" AS VARCHAR)), '') AS x1,
    NULLIF(TRIM(CAST("clicks" AS VARCHAR)), '') AS x2,
    NULLIF(TRIM(CAST("views" AS VARCHAR)), '') AS x3,
    NULLIF(TRIM(CAST("age" AS VARCHAR)), '') AS x4,
    NULLIF(TRIM(CAST("arm" AS VARCHAR)), '') AS given_0,
    NULLIF(TRIM(CAST("page" AS VARCHAR)), '') AS held_0
  FROM file
), rows AS (
  SELECT
    unit, arm,
    CASE WHEN LOWER(x0) IN ('1', '1.0', 'true') THEN 1 WHEN LOWER(x0) IN ('0', '0.0', 'false') THEN 0 END AS v0,
    CASE WHEN TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) % 1 = 0 AND TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) >= 0 THEN CAST(TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) AS BIGINT) END AS v1,
    CASE WHEN ISFINITE(TRY_CAST(x2 AS DOUBLE)) THEN TRY_CAST(x2 AS DOUBLE) END AS v2,
    CASE WHEN ISFINITE(TRY_CAST(x3 AS DOUBLE)) THEN TRY_CAST(x3 AS DOUBLE) END AS v3,
    CASE WHEN ISFINITE(TRY_CAST(x4 AS DOUBLE)) THEN TRY_CAST(x4 AS DOUBLE) END AS v4,
    COALESCE(CASE given_0 WHEN $given_0_0 THEN held_0 = $held_0_0 WHEN $given_0_1 THEN held_0 = $held_0_1 ELSE TRUE END, FALSE) AS expected
  FROM cells
), units AS MATERIALIZED (
  SELECT
    CASE WHEN MIN(arm) FILTER (WHERE expected) = MAX(arm) FILTER (WHERE expected) THEN MIN(arm) FILTER (WHERE expected) END AS arm,
    COUNT(*) FILTER (WHERE expected) AS kept,
    MIN(arm) <> MAX(arm) AS moved,
    MAX(v0) FILTER (WHERE expected) AS v0,
    SUM(v1) FILTER (WHERE expected) AS v1,
    SUM(v2) FILTER (WHERE expected) AS v2,
    SUM(v3) FILTER (WHERE expected) AS v3,
    MIN(v4) FILTER (WHERE expected) AS v4,
    MIN(v4) FILTER (WHERE expected) <> MAX(v4) FILTER (WHERE expected) AS c4
  FROM rows
  WHERE unit IS NOT NULL
  GROUP BY unit
), shifts AS (
  SELECT
    COUNT(*) AS sampled,
    COALESCE(AVG(v2), 0) AS s2,
    COALESCE(AVG(v3), 0) AS s3,
    COALESCE(AVG(v4), 0) AS s4
  FROM (SELECT * FROM units WHERE arm IS NOT NULL LIMIT 1000)
), moments AS (
  SELECT
    arm,
    COUNT(*) AS n,
    COUNT(*) FILTER (WHERE kept = 0) AS gone,
    COUNT(*) FILTER (WHERE moved) AS moved,
    COUNT(*) FILTER (WHERE v0 IS NOT NULL) AS g0_n,
    SUM(CAST(v0 AS DECIMAL(19, 0))) AS g0_0,
    SUM(CAST(v0 AS DECIMAL(19, 0)) * CAST(v0 AS DECIMAL(19, 0))) AS g0_0_0,
    COUNT(*) FILTER (WHERE v1 IS NOT NULL) AS g1_n,
    SUM(CAST(v1 AS DECIMAL(19, 0))) AS g1_0,
    SUM(CAST(v1 AS DECIMAL(19, 0)) * CAST(v1 AS DECIMAL(19, 0))) AS g1_0_0,
    COUNT(*) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_n,
    MIN(s2) AS g2_0_shift,
    SUM((v2 - s2)) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_0,
    SUM((v2 - s2) * (v2 - s2)) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_0_0,
    SUM((v2 - s2) * (v3 - s3)) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_0_1,
    MIN(s3) AS g2_1_shift,
    SUM((v3 - s3)) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_1,
    SUM((v3 - s3) * (v3 - s3)) FILTER (WHERE v2 IS NOT NULL AND v3 IS NOT NULL) AS g2_1_1,
    COUNT(*) FILTER (WHERE v4 IS NOT NULL) AS g3_n,
    MIN(s4) AS g3_0_shift,
    SUM((v4 - s4)) AS g3_0,
    SUM((v4 - s4) * (v4 - s4)) AS g3_0_0,
    COUNT(*) FILTER (WHERE c4) AS v4_changes
  FROM units, shifts
  GROUP BY arm
)
SELECT * FROM moments ORDER BY arm
