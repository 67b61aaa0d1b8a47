-- The interaction matrix: one row for each user and item with the sum of its events' weights, each halved every
-- $half_life_days of age (0: never). Where $is_quantity_weighed, a purchase weighs as often as its quantity; where
-- $is_rating_weighed, as often as its rating (1 if it has none); never more often than a billion times.
-- Summed as whole millionths, so that the order of the rows does not change the sum. An event that weighs
-- nothing makes no cell; one that has faded to nothing makes a cell of 0, because it happened.
-- Reads: event_rows. Binds: $view, $cart, $purchase, $half_life_days, $is_quantity_weighed, $is_rating_weighed.
WITH weighed AS (
    SELECT user_row, item_row, age_days,
        CASE event_type WHEN 'view' THEN $view WHEN 'cart' THEN $cart ELSE $purchase END
        * CASE WHEN event_type <> 'purchase' THEN 1 ELSE least(1e9,
            CASE WHEN $is_quantity_weighed THEN quantity ELSE 1 END
            * CASE WHEN $is_rating_weighed THEN coalesce(rating, 1) ELSE 1 END
        ) END AS weight
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
