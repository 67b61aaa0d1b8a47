-- Views and carts of people without purchases (guests), as cells of a matrix to fold in: one row for each guest and
-- item, items as numbered in the history, guests numbered by id. Only those who looked enough take part: at least
-- $min_views views or $min_carts carts. A cell is the sum of its events' weights, each halved every $half_life_days
-- of age (0: never), in whole millionths, so that the order of the rows does not change the sum. Items unknown to
-- the history are left out, and so are events that weigh nothing.
-- Reads: guests (events before the cut), item_rows.
-- Binds: $cut_at, $view, $cart, $half_life_days, $min_views, $min_carts.
WITH guest_rows AS (
    SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) - 1 AS INTEGER) AS user_row
    FROM guests
    GROUP BY user_id
    HAVING count(*) FILTER (WHERE event_type = 'purchase') = 0
       AND (
            count(*) FILTER (WHERE event_type = 'view') >= $min_views
            OR count(*) FILTER (WHERE event_type = 'cart') >= $min_carts
        )
),
weighed AS (
    SELECT g.user_row, g.user_id, i.item_row,
        (epoch($cut_at) - epoch(e.occurred_at)) / 86400.0 AS age_days,
        CASE e.event_type WHEN 'view' THEN $view ELSE $cart END AS weight
    FROM guests AS e
    JOIN guest_rows AS g ON g.user_id = e.user_id
    JOIN item_rows AS i ON i.item_id = e.item_id
)
SELECT user_row, user_id, item_row,
    CAST(sum(CAST(round(1e6 * weight
        * CASE WHEN $half_life_days = 0 THEN 1 ELSE pow(0.5, age_days / nullif($half_life_days, 0)) END
    ) AS BIGINT)) AS DOUBLE) / 1e6 AS weight
FROM weighed
WHERE weight > 0
GROUP BY user_row, user_id, item_row
ORDER BY user_row, item_row
