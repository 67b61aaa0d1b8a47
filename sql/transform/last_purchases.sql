-- On which day each user last bought each item (days since 1970), and how many days usually lie between two days with a
-- purchase of it: the median of the gaps as a whole number, half up; null where there are fewer than $min_days such
-- days, or where the gaps differ too much to be told: the third quartile is more than twice the first. By user_row and
-- item_row. Days are those of the shop's clock.
-- Reads: history (the events before the cut), user_rows, item_rows, clock. Binds: $min_days.
WITH purchases AS (
    SELECT u.user_row, i.item_row, epoch(h.occurred_at) AS at,
        CAST(floor(epoch(h.occurred_at) / 86400) AS BIGINT) AS utc_day
    FROM history AS h
    JOIN user_rows AS u ON u.user_id = h.user_id
    JOIN item_rows AS i ON i.item_id = h.item_id
    WHERE h.event_type = 'purchase'
),
days AS (
    SELECT DISTINCT p.user_row, p.item_row,
        CAST(floor((p.at + coalesce(CASE WHEN p.at < c.changes_at THEN c.ahead ELSE c.ahead_after END, 0)) / 86400)
            AS BIGINT) AS day
    FROM purchases AS p
    LEFT JOIN clock AS c ON c.day = p.utc_day
),
gaps AS (
    SELECT user_row, item_row, day,
        day - lag(day) OVER (PARTITION BY user_row, item_row ORDER BY day) AS gap
    FROM days
)
SELECT CAST(max(day) AS INTEGER) AS last_day,
    CASE WHEN count(*) >= $min_days AND percentile_disc(0.75) WITHIN GROUP (ORDER BY gap)
            <= 2 * percentile_disc(0.25) WITHIN GROUP (ORDER BY gap)
        THEN CAST(floor(median(gap) + 0.5) AS INTEGER) END AS gap_days
FROM gaps
GROUP BY user_row, item_row
ORDER BY user_row, item_row
