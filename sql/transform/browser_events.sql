-- Views and carts of users who are known to the shop, bought nothing in the window (a return is no purchase)
-- and looked often enough: at least $min_views views or $min_carts carts. Exact duplicates count once, and a
-- quantity that is missing is 1; a price, discount or rating that says nothing (below 0, beyond all bounds, not a
-- number) is missing. Ids are never null here: validation has refused such events.
-- Reads: events, users. Binds: $min_views, $min_carts.
WITH browsing AS (
    SELECT DISTINCT user_id, item_id, event_type, occurred_at, order_id, coalesce(quantity, 1) AS quantity,
        CASE WHEN price >= 0 AND price <= 1e12 THEN abs(price) END AS price,
        CASE WHEN discount >= 0 AND discount <= 1e12 THEN abs(discount) END AS discount,
        CASE WHEN rating >= 0 AND rating <= 1000 THEN abs(rating) END AS rating
    FROM events
    WHERE event_type <> 'purchase'
      AND user_id IN (SELECT user_id FROM users)
      AND user_id NOT IN (
            SELECT user_id FROM events WHERE event_type = 'purchase' AND coalesce(quantity, 1) > 0
        )
),
engaged AS (
    SELECT user_id
    FROM browsing
    GROUP BY user_id
    HAVING count(*) FILTER (WHERE event_type = 'view') >= $min_views
        OR count(*) FILTER (WHERE event_type = 'cart') >= $min_carts
)
SELECT user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating
FROM browsing
WHERE user_id IN (SELECT user_id FROM engaged)
ORDER BY user_id, occurred_at, item_id, event_type, order_id, quantity, price, discount, rating
