-- Each buyer's last order after the cut, as the basket of a visitor: its items in an order drawn by the seed. The
-- first one (place 1) is to be hidden, those up to place $most_given + 1 are given. The draw depends on the seed, the
-- buyer and the item alone: each item of an order is as likely to be hidden as any other, however popular it is.
-- An order begins with its first purchase; without order_id, all purchases of one moment are one order. Of two that
-- begin at once the one of the higher order_id is the last.
-- n_items: different items of the order; is_first_time: the buyer never bought before the cut. Of the orders of two
-- items or more at most $most_orders are taken, drawn by the seed too.
-- Reads: later (events after the cut), history (before it). Binds: $seed, $most_given, $most_orders.
WITH bought AS (
    SELECT user_id, item_id, occurred_at, order_id, CASE WHEN order_id IS NULL THEN occurred_at END AS moment
    FROM later
    WHERE event_type = 'purchase'
),
orders AS (
    SELECT user_id, order_id, moment,
        row_number() OVER (PARTITION BY user_id ORDER BY min(occurred_at) DESC, order_id DESC NULLS LAST) AS from_last
    FROM bought
    GROUP BY user_id, order_id, moment
),
drawn AS (
    SELECT user_id, item_id,
        row_number() OVER (
            PARTITION BY user_id ORDER BY md5(concat_ws('|', $seed, user_id, item_id)), item_id
        ) AS place,
        count(*) OVER (PARTITION BY user_id) AS n_items
    FROM (
        SELECT DISTINCT b.user_id, b.item_id
        FROM bought AS b
        JOIN orders AS o ON o.user_id = b.user_id AND o.from_last = 1
            AND (o.order_id = b.order_id OR (o.order_id IS NULL AND b.moment = o.moment))
    ) AS last_orders
),
numbered AS (
    SELECT user_id,
        row_number() OVER (
            PARTITION BY n_items = 1 ORDER BY md5(concat_ws('|', $seed, user_id)), user_id
        ) AS number
    FROM drawn
    WHERE place = 1
)
SELECT d.user_id, CAST(d.place AS INTEGER) AS place, d.item_id, CAST(d.n_items AS INTEGER) AS n_items,
    b.user_id IS NULL AS is_first_time
FROM drawn AS d
JOIN numbered AS m ON m.user_id = d.user_id
LEFT JOIN (SELECT DISTINCT user_id FROM history WHERE event_type = 'purchase') AS b ON b.user_id = d.user_id
WHERE d.place <= $most_given + 1 AND (d.n_items = 1 OR m.number <= $most_orders)
ORDER BY d.user_id, d.place
