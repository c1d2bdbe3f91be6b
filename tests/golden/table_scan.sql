WITH cells AS (
  SELECT
    "arm" AS a,
    "town" AS d0,
    "bought" AS x0,
    "paid" AS x1,
    "clicks" AS x2,
    "views" AS x3,
    "age" AS x4
  FROM file
), rows AS (
  SELECT
    *,
    x0 AS v0,
    ROUND(CAST(x1 AS DOUBLE) * CAST(100 AS DOUBLE)) AS v1,
    CAST(x2 AS BIGINT) AS v2,
    CAST(x3 AS BIGINT) AS v3,
    CAST(x4 AS DOUBLE) AS v4,
    (CAST(x1 AS DOUBLE) * CAST(100 AS DOUBLE) - ROUND(CAST(x1 AS DOUBLE) * CAST(100 AS DOUBLE))) * (CAST(x1 AS DOUBLE) * CAST(100 AS DOUBLE) - ROUND(CAST(x1 AS DOUBLE) * CAST(100 AS DOUBLE))) AS e1
  FROM cells
), limited AS (
  SELECT *, CASE WHEN v1 > $cap_5 THEN $cap_5 ELSE v1 END AS v5 FROM rows
)
SELECT
  NULLIF(TRIM(CAST(a AS VARCHAR)), '') AS arm,
  CASE WHEN GROUPING(d0) = 0 THEN 0 ELSE -1 END AS dimension,
  CASE WHEN GROUPING(d0) = 0 THEN NULLIF(TRIM(CAST(d0 AS VARCHAR)), '') END AS segment,
  COUNT(*) AS n,
  COUNT(x0) AS n0,
  SUM(v0) AS s0,
  COUNT(x1) AS n1,
  SUM(v1) AS s1,
  SUM(CAST(v1 AS DOUBLE) * v1 * v1) AS c1,
  SUM(v1 * v1) AS p1_1,
  COUNT(x2) AS n2,
  SUM(v2) AS s2,
  SUM(v2 * v2) AS p2_2,
  SUM(v2 * v3) AS p2_3,
  SUM(v2 * v4) AS p2_4,
  COUNT(x3) AS n3,
  SUM(v3) AS s3,
  SUM(v3 * v3) AS p3_3,
  SUM(v3 * v4) AS p3_4,
  COUNT(x4) AS n4,
  SUM(v4) AS s4,
  SUM(v4 * v4) AS p4_4,
  SUM(v5) AS s5,
  SUM(v5 * v5) AS p5_5,
  COUNT(CASE WHEN x0 < 0 OR x0 > 1 OR x1 < 0 THEN NULL ELSE 1 END) AS kept,
  SUM(e1) AS e1
FROM limited
GROUP BY GROUPING SETS ((a), (a, d0))
