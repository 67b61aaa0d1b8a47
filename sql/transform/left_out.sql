-- What a user's list may not hold: with $is_exclude, every item the user bought before; without, nothing.
-- Reads: history. Binds: $is_exclude.
SELECT DISTINCT user_id, item_id
FROM history
WHERE event_type = 'purchase' AND $is_exclude
