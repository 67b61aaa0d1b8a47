-- For each item: the days since its first event of any kind (item_age_days), its purchases halved every 3 days of
-- age (bought_3), its views and carts halved every 7 (seen_7). Sums are of whole millionths, as in bought_pairs.
-- Reads: event_rows.
SELECT item_row,
    CAST(max(age_days) AS FLOAT) AS item_age_days,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 3)) AS BIGINT))
        FILTER (WHERE event_type = 'purchase'), 0) / 1e6 AS FLOAT) AS bought_3,
    CAST(coalesce(sum(CAST(round(1e6 * pow(0.5, age_days / 7)) AS BIGINT))
        FILTER (WHERE event_type <> 'purchase'), 0) / 1e6 AS FLOAT) AS seen_7
FROM event_rows
GROUP BY item_row
ORDER BY item_row
