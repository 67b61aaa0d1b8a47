-- The first event of anybody who bought, of any kind but returns; one row, null where nobody bought.
-- Reads: events, purchaser_events.
SELECT min(occurred_at) AS first_at
FROM events
WHERE (event_type <> 'purchase' OR coalesce(quantity, 1) > 0)
  AND user_id IN (SELECT user_id FROM purchaser_events)
