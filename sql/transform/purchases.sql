-- Purchases of the window: rows without a user and returns (quantity 0 or below) are left out, and the same row
-- twice stays twice.
-- Reads: events.
SELECT user_id, item_id, event_type, occurred_at
FROM events
WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0 AND user_id IS NOT NULL
