-- The events of one part of a split, in the order of the file it becomes.
-- Reads: parts (what a split_ statement gives). Binds: $part.
SELECT user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating
FROM parts
WHERE part = $part
ORDER BY user_id, occurred_at, item_id, event_type, order_id, quantity, price, discount, rating
