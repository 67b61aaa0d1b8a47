-- When each user last bought each item, and how many days usually lie between two days (UTC) with a purchase of it:
-- the median of the gaps as a whole number, half up; null where there are fewer than $min_days such days.
-- Reads: history (the events before the cut), user_rows, item_rows. Binds: $min_days.
WITH days AS (
    SELECT u.user_row, i.item_row, CAST(floor(epoch(h.occurred_at) / 86400) AS BIGINT) AS day,
        max(h.occurred_at) AS last_at
    FROM history AS h
    JOIN user_rows AS u ON u.user_id = h.user_id
    JOIN item_rows AS i ON i.item_id = h.item_id
    WHERE h.event_type = 'purchase'
    GROUP BY u.user_row, i.item_row, day
),
gaps AS (
    SELECT user_row, item_row, last_at,
        day - lag(day) OVER (PARTITION BY user_row, item_row ORDER BY day) AS gap
    FROM days
)
SELECT user_row, item_row, max(last_at) AS last_at,
    CASE WHEN count(*) >= $min_days THEN CAST(floor(median(gap) + 0.5) AS INTEGER) END AS gap_days
FROM gaps
GROUP BY user_row, item_row
ORDER BY user_row, item_row
