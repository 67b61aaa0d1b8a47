-- What each user viewed or put into the cart before the cut: one row for each user and item. seen_age_days: days
-- since the last such event. views_7, views_30, carts_30: numbers of events, each halved every 7 or 30 days of
-- age; summed as whole millionths, so that the order of the rows does not change the sum.
-- Reads: event_rows.
SELECT user_row, item_row,
    CAST(min(age_days) AS FLOAT) AS seen_age_days,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 7)) AS BIGINT))
        FILTER (WHERE event_type = 'view'), 0) / 1e6 AS FLOAT) AS views_7,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 30)) AS BIGINT))
        FILTER (WHERE event_type = 'view'), 0) / 1e6 AS FLOAT) AS views_30,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 30)) AS BIGINT))
        FILTER (WHERE event_type = 'cart'), 0) / 1e6 AS FLOAT) AS carts_30
FROM event_rows
WHERE event_type <> 'purchase'
GROUP BY user_row, item_row
ORDER BY user_row, item_row
