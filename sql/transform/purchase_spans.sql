-- When each buyer first bought, last bought, and last bought an item that was new to the buyer.
-- Reads: purchaser_events.
SELECT user_id, min(first_at) AS first_at, max(last_at) AS last_at, max(first_at) AS last_new_at
FROM (
    SELECT user_id, item_id, min(occurred_at) AS first_at, max(occurred_at) AS last_at
    FROM purchaser_events
    WHERE event_type = 'purchase'
    GROUP BY user_id, item_id
) AS bought
GROUP BY user_id
