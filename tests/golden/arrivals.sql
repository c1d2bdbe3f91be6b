WITH recent AS (
  SELECT user_id AS unit, MIN(timestamp) AS first_at
  FROM events
  WHERE user_id IS NOT NULL AND timestamp >= $start AND timestamp < $end
  GROUP BY user_id
)
SELECT
    CAST(FLOOR(EXTRACT(EPOCH FROM first_at - $start) / 86400) AS INTEGER) AS day,
    COUNT(*) AS units
FROM recent
GROUP BY day
ORDER BY day
