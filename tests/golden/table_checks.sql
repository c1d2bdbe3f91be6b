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
  arm,
  COUNT(*) AS rows,
  COUNT(*) FILTER (WHERE unit IS NULL) AS without_unit,
  COUNT(*) FILTER (WHERE NOT expected) AS unexpected,
  COUNT(*) FILTER (WHERE given_0 = $given_0_0 AND held_0 = $held_0_0) AS fits_0_0,
  COUNT(*) FILTER (WHERE given_0 = $given_0_1 AND held_0 = $held_0_1) AS fits_0_1,
  COUNT(x0) - COUNT(v0) AS bad_0,
  COUNT(x1) - COUNT(v1) AS bad_1,
  COUNT(x2) - COUNT(v2) AS bad_2,
  COUNT(x3) - COUNT(v3) AS bad_3,
  COUNT(x4) - COUNT(v4) AS bad_4,
  MIN(currency) FILTER (WHERE v1 <> 0) AS currency_low,
  MAX(currency) FILTER (WHERE v1 <> 0) AS currency_high,
  COUNT(*) FILTER (WHERE (v1 <> 0) AND currency IS NULL) AS without_currency
FROM rows
GROUP BY arm
ORDER BY rows DESC, arm
LIMIT 51
