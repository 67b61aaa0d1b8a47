-- How many events, purchases, users and items there are, with the first and the last time; one row.
-- Reads: purchaser_events.
SELECT
    count(*) AS n_events,
    count(*) FILTER (WHERE event_type = 'purchase') AS n_purchases,
    count(DISTINCT user_id) AS n_users,
    count(DISTINCT item_id) AS n_items,
    min(occurred_at) AS first_at,
    max(occurred_at) AS last_at
FROM purchaser_events
