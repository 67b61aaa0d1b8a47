-- How many events of each kind there are, of how many users and items, with the first and the last time; one
-- row. A purchase of quantity 0 or below is a return.
-- Reads: events.
SELECT
    count(*) AS n_events,
    count(DISTINCT user_id) AS n_users,
    count(DISTINCT item_id) AS n_items,
    count(*) FILTER (WHERE event_type = 'view') AS n_views,
    count(*) FILTER (WHERE event_type = 'cart') AS n_carts,
    count(*) FILTER (WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0) AS n_purchases,
    count(*) FILTER (WHERE event_type = 'purchase' AND quantity <= 0) AS n_returns,
    count(*) FILTER (WHERE coalesce(event_type NOT IN ('view', 'cart', 'purchase'), true)) AS n_others,
    min(occurred_at) AS first_at,
    max(occurred_at) AS last_at
FROM events
