WITH cells AS (
  SELECT
    ROW_NUMBER() OVER () AS row,
    NULLIF(TRIM(CAST("day" AS VARCHAR)), '') AS snapshot,
    NULLIF(TRIM(CAST("id" AS VARCHAR)), '') AS g0,
    NULLIF(TRIM(CAST("count_c" AS VARCHAR)), '') AS count_c,
    NULLIF(TRIM(CAST("count_t" AS VARCHAR)), '') AS count_t,
    NULLIF(TRIM(CAST("mean_c" AS VARCHAR)), '') AS mean_c,
    NULLIF(TRIM(CAST("mean_t" AS VARCHAR)), '') AS mean_t,
    NULLIF(TRIM(CAST("variance_c" AS VARCHAR)), '') AS variance_c,
    NULLIF(TRIM(CAST("variance_t" AS VARCHAR)), '') AS variance_t
  FROM file
), rows AS (
  SELECT *, COALESCE(TRY_CAST(snapshot AS DOUBLE), EPOCH(TRY_CAST(snapshot AS TIMESTAMP))) AS taken FROM cells
), snapshots AS (
  SELECT
    *,
    COUNT(*) OVER (PARTITION BY g0) AS snapshots,
    COUNT(*) FILTER (WHERE taken IS NULL) OVER (PARTITION BY g0) AS untimed,
    RANK() OVER (PARTITION BY g0 ORDER BY taken DESC NULLS LAST) AS place
  FROM rows
), last AS (
  SELECT *, COUNT(*) OVER (PARTITION BY g0) AS ties FROM snapshots WHERE place = 1
)
SELECT * EXCLUDE (place) FROM last ORDER BY g0, row
