-- What each user viewed or put into the cart: one row for each (user, item), counts halved every 7 and
-- 30 days, in whole millionths, so that no sum depends on the order of the rows.
SELECT user_row, item_row,
    CAST(min(age_days) AS FLOAT) AS seen_age,
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
