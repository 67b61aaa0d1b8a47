-- The given items of the measured baskets: of each order all items but the hidden one.
-- Reads: session_orders.
SELECT user_id, place, item_id
FROM session_orders
WHERE place > 1
