-- Every event of each user who bought in the window and is known to the shop. Exact duplicates count once. A
-- missing quantity is 1; a purchase of quantity 0 or below (return, cancellation) is no purchase and left out.
-- Reads: events, users.
SELECT DISTINCT user_id, item_id, event_type, occurred_at, order_id, coalesce(quantity, 1) AS quantity,
    price, discount, rating
FROM events
WHERE (event_type <> 'purchase' OR coalesce(quantity, 1) > 0)
  AND user_id IN (SELECT user_id FROM events WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0)
  AND user_id IN (SELECT user_id FROM users)
ORDER BY user_id, occurred_at, item_id, event_type, order_id, quantity, price, discount, rating
