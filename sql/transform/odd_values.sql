-- What is odd about the prices, discounts and ratings that events carry: one row for each item and finding, with
-- how many of its events show it, the value furthest off, and what is usual for the item (null where that does not
-- matter). Where events carry nothing there is nothing to find. What a shop should know is a warning; where
-- $is_rating_weighed, a rating of a purchase that cannot weigh anything is critical. Findings:
--   price, discount, rating  below 0, beyond all bounds, or not a number
--   high_price               a thousand times as high as the item's other prices
--   price_of_line            for the whole line, not for a piece: two pieces of an item cost twice as much each
--   no_amount                a discount that is a percentage, a share, or more than twice what the item ever cost
-- The last two are told where they hold for most of the lines that can tell, and for three at least. Means are of
-- logarithms in whole millionths, so that the order of the rows does not change them.
-- Reads: events. Binds: $is_rating_weighed.
WITH carried AS (
    SELECT item_id, event_type, coalesce(quantity, 1) AS quantity, price, discount, rating
    FROM events
    WHERE price IS NOT NULL OR discount IS NOT NULL OR rating IS NOT NULL
),
senseless AS (
    SELECT item_id, 'price' AS finding, price AS value, false AS weighs
    FROM carried WHERE NOT (price >= 0 AND price <= 1e12)
    UNION ALL
    SELECT item_id, 'discount', discount, false FROM carried WHERE NOT (discount >= 0 AND discount <= 1e12)
    UNION ALL
    SELECT item_id, 'rating', rating, event_type = 'purchase' AND $is_rating_weighed
    FROM carried WHERE NOT (rating >= 0 AND rating <= 1000)
),
lines AS (
    SELECT item_id, quantity, price, coalesce(discount, 0) AS discount,
        CAST(round(1e6 * ln(price)) AS BIGINT) AS log_price,
        CAST(round(1e6 * ln(price + coalesce(discount, 0))) AS BIGINT) AS log_before
    FROM carried
    WHERE event_type = 'purchase' AND quantity > 0 AND price > 0 AND price <= 1e12
      AND coalesce(discount, 0) >= 0 AND coalesce(discount, 0) <= 1e12
),
items AS (
    SELECT item_id, count(*) AS n_lines, sum(log_price) AS log_prices,
        sum(log_before) FILTER (quantity = 1) / nullif(count(*) FILTER (quantity = 1), 0) AS log_of_piece,
        sum(log_price) FILTER (discount = 0) / nullif(count(*) FILTER (discount = 0), 0) AS log_in_full,
        max(price) FILTER (discount = 0) AS highest
    FROM lines
    GROUP BY item_id
),
measured AS (
    SELECT l.item_id, l.quantity, l.price, l.discount, i.highest, i.log_of_piece, i.log_in_full,
        (i.log_prices - l.log_price) / nullif(i.n_lines - 1, 0) AS log_of_others,
        CASE WHEN i.n_lines > 2 THEN l.log_price END AS log_price,
        CASE WHEN l.quantity >= 2 THEN (l.log_before - i.log_of_piece) / (1e6 * ln(l.quantity)) END AS growth,
        CASE WHEN l.discount > 0 THEN abs(l.log_before - i.log_in_full) END AS off_as_amount,
        CASE WHEN l.discount < 100 THEN
            abs(l.log_price - 1e6 * ln(1 - l.discount / 100) - i.log_in_full) END AS off_as_percentage,
        CASE WHEN l.discount < 1 THEN
            abs(l.log_price - 1e6 * ln(1 - l.discount) - i.log_in_full) END AS off_as_share
    FROM lines AS l
    JOIN items AS i ON i.item_id = l.item_id
),
judged AS (
    SELECT item_id, price, discount, log_of_others, log_of_piece, log_in_full,
        log_price - log_of_others > 1e6 * ln(1000) AS is_high,
        growth > 0.75 AS is_of_line,
        off_as_amount > 1e5 AND least(off_as_percentage, off_as_share) < off_as_amount / 2
            OR (off_as_amount IS NOT NULL AND discount > 2 * highest) AS is_no_amount
    FROM measured
),
counted AS (
    SELECT item_id,
        count(*) FILTER (is_high) AS n_high,
        max(price) FILTER (is_high) AS high_price,
        min(log_of_others) FILTER (is_high) AS log_of_others,
        count(*) FILTER (is_of_line) AS n_of_line,
        count(is_of_line) AS n_of_line_or_piece,
        max(price) FILTER (is_of_line) AS price_of_line,
        min(log_of_piece) AS log_of_piece,
        count(*) FILTER (is_no_amount) AS n_no_amount,
        count(is_no_amount) AS n_amount_or_not,
        max(discount) FILTER (is_no_amount) AS no_amount,
        min(log_in_full) AS log_in_full
    FROM judged
    GROUP BY item_id
),
shop AS (
    SELECT
        sum(n_of_line) >= 3 AND 2 * sum(n_of_line) > sum(n_of_line_or_piece) AS has_prices_of_lines,
        sum(n_no_amount) >= 3 AND 2 * sum(n_no_amount) > sum(n_amount_or_not) AS has_no_amounts
    FROM counted
),
findings AS (
    SELECT item_id, finding, count(*) AS n_events,
        CASE WHEN min(value) < 0 THEN min(value) ELSE max(value) END AS value, CAST(NULL AS DOUBLE) AS log_usual,
        bool_or(weighs) AS is_critical
    FROM senseless
    GROUP BY item_id, finding
    UNION ALL
    SELECT item_id, 'high_price', n_high, high_price, log_of_others, false FROM counted WHERE n_high > 0
    UNION ALL
    SELECT item_id, 'price_of_line', n_of_line, price_of_line, log_of_piece, false
    FROM counted
    WHERE n_of_line > 0 AND (SELECT has_prices_of_lines FROM shop)
    UNION ALL
    SELECT item_id, 'no_amount', n_no_amount, no_amount, log_in_full, false
    FROM counted
    WHERE n_no_amount > 0 AND (SELECT has_no_amounts FROM shop)
)
SELECT finding,
    CASE WHEN is_critical THEN 'critical' ELSE 'warning' END AS severity,
    CAST(item_id AS VARCHAR) AS item_id, n_events, value, round(exp(log_usual / 1e6), 2) AS usual
FROM findings
ORDER BY finding, n_events DESC, item_id
