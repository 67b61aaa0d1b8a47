-- What the report's buyers bought last: up to $length different items for each, the newest first, then by id.
-- Reads: purchaser_events, report_buyers, item_names. Binds: $length.
WITH items_bought AS (
    SELECT bought.user_id, bought.item_id, max(bought.occurred_at) AS bought_at
    FROM purchaser_events AS bought
    JOIN report_buyers ON report_buyers.user_id = bought.user_id
    WHERE bought.event_type = 'purchase'
    GROUP BY bought.user_id, bought.item_id
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY bought_at DESC, item_id) AS place
    FROM items_bought
)
SELECT ranked.user_id, ranked.item_id, item_names.name, ranked.bought_at
FROM ranked
LEFT JOIN item_names ON item_names.item_id = ranked.item_id
WHERE ranked.place <= $length
ORDER BY ranked.user_id, ranked.bought_at DESC, ranked.item_id
