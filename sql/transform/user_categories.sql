-- The $length categories that each user bought from most, of those with a popular list; ties go by name. Every
-- buyer has rows, also those whom the filters leave out. Purchases are halved every $half_life_days (0: never)
-- before the user's own last purchase: so the order stays the same from day to day, and the scores of somebody
-- who bought long ago do not all fade to 0.
-- Reads: history (the events before the cut), items, popular_items. Binds: $half_life_days, $length.
WITH last_purchases AS (
    SELECT user_id, max(occurred_at) AS last_at
    FROM history
    WHERE event_type = 'purchase'
    GROUP BY user_id
),
scores AS (
    SELECT h.user_id, i.category,
        sum(CAST(round(1e6 * CASE WHEN $half_life_days = 0 THEN 1 ELSE
            pow(0.5, (epoch(l.last_at) - epoch(h.occurred_at)) / 86400.0 / nullif($half_life_days, 0))
        END) AS BIGINT)) AS score
    FROM history AS h
    JOIN last_purchases AS l ON l.user_id = h.user_id
    JOIN items AS i ON i.item_id = h.item_id
    WHERE h.event_type = 'purchase'
      AND i.category IN (SELECT p.category FROM popular_items AS p WHERE p.category <> 'all')
    GROUP BY h.user_id, i.category
),
ranked AS (
    SELECT user_id, category,
        CAST(row_number() OVER (PARTITION BY user_id ORDER BY score DESC, category) AS INTEGER) AS rank
    FROM scores
)
SELECT user_id, rank, category
FROM ranked
WHERE rank <= $length
ORDER BY user_id, rank
