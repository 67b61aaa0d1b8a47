-- Every event of each user who bought in the window and is known to the shop. Exact duplicates count once. A
-- missing quantity is 1; a purchase of quantity 0 or below (return, cancellation) is no purchase and left out.
-- A price, discount or rating that says nothing (below 0, beyond all bounds, not a number) is missing.
-- Reads: events, users.
SELECT DISTINCT user_id, item_id, event_type, occurred_at, order_id, coalesce(quantity, 1) AS quantity,
    CASE WHEN price >= 0 AND price <= 1e12 THEN abs(price) END AS price,
    CASE WHEN discount >= 0 AND discount <= 1e12 THEN abs(discount) END AS discount,
    CASE WHEN rating >= 0 AND rating <= 1000 THEN abs(rating) END AS rating
FROM events
WHERE (event_type <> 'purchase' OR coalesce(quantity, 1) > 0)
  AND user_id IN (SELECT user_id FROM events WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0)
  AND user_id IN (SELECT user_id FROM users)
ORDER BY user_id, occurred_at, item_id, event_type, order_id, quantity, price, discount, rating
