-- Purchases, halved every $half_life_days, ranked in each category and in the whole shop ('all').
-- Items that are not available are left out; ties go to the lower id.
WITH scores AS (
    SELECT item_id,
        CAST(sum(CAST(round(1e6
            * CASE WHEN $half_life_days = 0 THEN 1
                   ELSE pow(0.5, (epoch($cut_at) - epoch(occurred_at)) / 86400.0 / nullif($half_life_days, 0)) END
        ) AS BIGINT)) AS DOUBLE) / 1e6 AS score
    FROM history
    WHERE event_type = 'purchase'
      AND item_id NOT IN (SELECT item_id FROM items WHERE NOT coalesce(available, true) AND item_id IS NOT NULL)
    GROUP BY item_id
),
placed AS (
    SELECT 'all' AS category, item_id, score FROM scores
    UNION ALL
    SELECT i.category, s.item_id, s.score FROM scores AS s JOIN items AS i ON i.item_id = s.item_id
    WHERE i.category IS NOT NULL
),
ranked AS (
    SELECT category, item_id, score,
        CAST(row_number() OVER (PARTITION BY category ORDER BY score DESC, item_id) AS INTEGER) AS rank
    FROM placed
)
SELECT category, rank, item_id, score
FROM ranked
WHERE rank <= CASE category WHEN 'all' THEN $length_of_all ELSE $length END
ORDER BY category, rank
