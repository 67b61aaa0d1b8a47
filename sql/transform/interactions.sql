-- One cell for each (user, item): the events' weights, halved every $half_life_days ($half_life_days = 0: never).
-- Summed as whole millionths, so that the sum does not depend on the order of the rows. An event that
-- weighs nothing makes no cell; one that has faded to nothing still does: it happened.
WITH weighed AS (
    SELECT user_row, item_row, age_days,
        CASE event_type WHEN 'view' THEN $view WHEN 'cart' THEN $cart ELSE $purchase END
        * CASE WHEN $is_quantity_weighed AND event_type = 'purchase' THEN quantity ELSE 1 END AS weight
    FROM event_rows
)
SELECT user_row, item_row,
    CAST(sum(CAST(round(1e6 * weight
        * CASE WHEN $half_life_days = 0 THEN 1 ELSE pow(0.5, age_days / nullif($half_life_days, 0)) END
    ) AS BIGINT)) AS DOUBLE) / 1e6 AS weight
FROM weighed
WHERE weight > 0
GROUP BY user_row, item_row
ORDER BY user_row, item_row
