-- Each user's events cut at the user's own last orders: the last order and all after it is test, the order before
-- and all up to the last is validation_set, the rest train. An order begins with its first purchase; without
-- order_id, all purchases of one moment are one order.
-- Reads: purchaser_events.
WITH orders AS (
    SELECT user_id, min(occurred_at) AS ordered_at
    FROM purchaser_events
    WHERE event_type = 'purchase'
    GROUP BY user_id, order_id, CASE WHEN order_id IS NULL THEN occurred_at END
),
counted AS (
    SELECT user_id, ordered_at, row_number() OVER (PARTITION BY user_id ORDER BY ordered_at DESC) AS from_last
    FROM (SELECT DISTINCT user_id, ordered_at FROM orders) AS moments
),
cuts AS (
    SELECT user_id,
        max(CASE WHEN from_last = 1 THEN ordered_at END) AS test_from,
        max(CASE WHEN from_last = 2 THEN ordered_at END) AS validation_from
    FROM counted
    GROUP BY user_id
)
SELECT e.user_id, e.item_id, e.event_type, e.occurred_at, e.order_id, e.quantity,
    e.price, e.discount, e.rating,
    CASE
        WHEN e.occurred_at >= c.test_from THEN 'test'
        WHEN e.occurred_at >= c.validation_from THEN 'validation_set'
        ELSE 'train'
    END AS part
FROM purchaser_events AS e
JOIN cuts AS c ON c.user_id = e.user_id
