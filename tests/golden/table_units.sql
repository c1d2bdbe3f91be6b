CREATE TEMP TABLE units AS
WITH cells AS (
  SELECT
    NULLIF(TRIM(CAST("arm" AS VARCHAR)), '') AS arm,
    NULLIF(TRIM(CAST("user" AS VARCHAR)), '') AS unit,
    NULLIF(TRIM(CAST("town" AS VARCHAR)), '') AS d0,
    NULLIF(TRIM(CAST("bought" AS VARCHAR)), '') AS x0,
    NULLIF(TRIM(CAST("paid" AS VARCHAR)), '') AS x1,
    NULLIF(TRIM(CAST("clicks" AS VARCHAR)), '') AS x2,
    NULLIF(TRIM(CAST("views" AS VARCHAR)), '') AS x3,
    NULLIF(TRIM(CAST("age" AS VARCHAR)), '') AS x4,
    NULLIF(TRIM(CAST("arm" AS VARCHAR)), '') AS given_0,
    NULLIF(TRIM(CAST("page" AS VARCHAR)), '') AS held_0,
    NULLIF(TRIM(CAST("currency" AS VARCHAR)), '') AS currency
  FROM file
), rows AS (
  SELECT
    *,
    CASE WHEN LOWER(x0) IN ('1', '1.0', 'true') THEN 1 WHEN LOWER(x0) IN ('0', '0.0', 'false') THEN 0 END AS v0,
    CASE WHEN TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) % 1 = 0 AND TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) >= 0 THEN CAST(TRY_CAST(x1 AS DECIMAL(27, 12)) * CAST(100 AS DECIMAL(4, 0)) AS BIGINT) END AS v1,
    CASE WHEN ISFINITE(TRY_CAST(x2 AS DOUBLE)) THEN TRY_CAST(x2 AS DOUBLE) END AS v2,
    CASE WHEN ISFINITE(TRY_CAST(x3 AS DOUBLE)) THEN TRY_CAST(x3 AS DOUBLE) END AS v3,
    CASE WHEN ISFINITE(TRY_CAST(x4 AS DOUBLE)) THEN TRY_CAST(x4 AS DOUBLE) END AS v4,
    COALESCE(CASE given_0 WHEN $given_0_0 THEN held_0 = $held_0_0 WHEN $given_0_1 THEN held_0 = $held_0_1 ELSE TRUE END, FALSE) AS expected
  FROM cells
)
SELECT
  CASE WHEN MIN(arm) FILTER (WHERE expected) = MAX(arm) FILTER (WHERE expected) THEN MIN(arm) FILTER (WHERE expected) END AS arm,
  COUNT(*) FILTER (WHERE expected) AS kept,
  MIN(arm) <> MAX(arm) AS moved,
  MIN(d0) FILTER (WHERE expected) AS d0,
  MIN(d0) FILTER (WHERE expected) <> MAX(d0) FILTER (WHERE expected) AS e0,
  MAX(v0) FILTER (WHERE expected) AS v0,
  SUM(v1) FILTER (WHERE expected) AS v1,
  SUM(v2) FILTER (WHERE expected) AS v2,
  SUM(v3) FILTER (WHERE expected) AS v3,
  MIN(v4) FILTER (WHERE expected) AS v4,
  MIN(v4) FILTER (WHERE expected) <> MAX(v4) FILTER (WHERE expected) AS c4
FROM rows
WHERE unit IS NOT NULL
GROUP BY unit
