-- What each user bought before the cut: one row for each user and item, ages in days before the cut.
-- Purchases of one item within one day before the cut count as one in all columns but n_lines.
-- decay_<d> is the number of such days, each halved for every d days of age; summed as whole millionths,
-- so that the order of the rows does not change the sum.
-- Reads: event_rows.
WITH days AS (
    SELECT user_row, item_row, floor(age_days) AS day, count(*) AS n_lines,
        min(age_days) AS last_age_days, max(age_days) AS first_age_days
    FROM event_rows
    WHERE event_type = 'purchase'
    GROUP BY user_row, item_row, day
)
SELECT user_row, item_row,
    CAST(count(*) AS FLOAT) AS n_days,
    CAST(sum(n_lines) AS FLOAT) AS n_lines,
    CAST(min(last_age_days) AS FLOAT) AS last_age_days,
    CAST(max(first_age_days) AS FLOAT) AS first_age_days,
    CAST(sum(CAST(round(1e6 * pow(0.5, last_age_days / 7)) AS BIGINT)) / 1e6 AS FLOAT) AS decay_7,
    CAST(sum(CAST(round(1e6 * pow(0.5, last_age_days / 30)) AS BIGINT)) / 1e6 AS FLOAT) AS decay_30,
    CAST(sum(CAST(round(1e6 * pow(0.5, last_age_days / 90)) AS BIGINT)) / 1e6 AS FLOAT) AS decay_90,
    CAST(count(*) FILTER (WHERE day < 14) AS FLOAT) AS n_last_14,
    CAST(count(*) FILTER (WHERE day >= 14 AND day < 28) AS FLOAT) AS n_last_28
FROM days
GROUP BY user_row, item_row
ORDER BY user_row, item_row
