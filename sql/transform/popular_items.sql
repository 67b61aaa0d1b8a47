-- The most popular items of each category, and of the whole shop under the category 'all'. The score is the
-- number of purchases by those who take part, each halved every $half_life_days of age (0: never) and summed as
-- whole millionths. Items that are not available and scores that have faded to 0 are left out; among equal scores
-- the lower id comes first. At most $length items for a category, $length_of_all for the shop.
-- Reads: event_rows, item_rows, items. Binds: $half_life_days, $length, $length_of_all.
WITH scores AS (
    SELECT item_row,
        CAST(sum(CAST(round(1e6
            * CASE WHEN $half_life_days = 0 THEN 1 ELSE pow(0.5, age_days / nullif($half_life_days, 0)) END
        ) AS BIGINT)) AS DOUBLE) / 1e6 AS score
    FROM event_rows
    WHERE event_type = 'purchase'
    GROUP BY item_row
),
shelf AS (
    SELECT r.item_id, i.category, s.score
    FROM scores AS s
    JOIN item_rows AS r ON r.item_row = s.item_row
    LEFT JOIN items AS i ON i.item_id = r.item_id
    WHERE s.score > 0 AND coalesce(i.available, true)
),
placed AS (
    SELECT 'all' AS category, item_id, score FROM shelf
    UNION ALL
    SELECT category, item_id, score FROM shelf WHERE category IS NOT NULL
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
