-- Views and carts of users who are known to the shop, bought nothing in the window (a return is no purchase)
-- and looked often enough: at least $min_views views or $min_carts carts. Exact duplicates count once, and a
-- quantity that is missing is 1. Ids are never null here: validation has refused such events.
-- Reads: events, users. Binds: $min_views, $min_carts.
WITH browsing AS (
    SELECT DISTINCT user_id, item_id, event_type, occurred_at, order_id, coalesce(quantity, 1) AS quantity,
        price, discount, rating
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
