-- Events drawn at random: a share of $test_share for test, as many for validation_set, the rest for train. The
-- draw depends on the rows and the seed alone, not on their order; which prices, discounts and ratings they carry
-- changes it only between rows that are otherwise the same.
-- Reads: purchaser_events. Binds: $seed, $test_share.
WITH shuffled AS (
    SELECT *,
        row_number() OVER (
            ORDER BY
                md5(concat_ws('|', $seed, user_id, item_id, event_type, epoch_us(occurred_at), order_id, quantity)),
                user_id, occurred_at, item_id, event_type, order_id, quantity, price, discount, rating
        ) AS place,
        count(*) OVER () AS n
    FROM purchaser_events
)
SELECT user_id, item_id, event_type, occurred_at, order_id, quantity, price, discount, rating,
    CASE
        WHEN place <= floor(n * $test_share) THEN 'test'
        WHEN place <= 2 * floor(n * $test_share) THEN 'validation_set'
        ELSE 'train'
    END AS part
FROM shuffled
