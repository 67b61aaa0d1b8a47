-- Since when each item is known, by any event; its purchases, halved every 3 days, and how often it was
-- looked at or put into a cart, halved every 7, in whole millionths, as in bought_pairs.
SELECT item_row,
    CAST(max(age_days) AS FLOAT) AS item_age,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 3)) AS BIGINT))
        FILTER (WHERE event_type = 'purchase'), 0) / 1e6 AS FLOAT) AS bought_3,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 7)) AS BIGINT))
        FILTER (WHERE event_type <> 'purchase'), 0) / 1e6 AS FLOAT) AS seen_7
FROM event_rows
GROUP BY item_row
ORDER BY item_row
