-- How often each user came to buy: days with a purchase (counted back from the cut), the age in days of the
-- last and of the first purchase trip, and how many trips lie within the last 28 days. One row for each user
-- who takes part, in the order of their numbers.
-- Reads: user_rows, event_rows.
WITH days AS (
    SELECT user_row, floor(age_days) AS day, min(age_days) AS age
    FROM event_rows
    WHERE event_type = 'purchase'
    GROUP BY user_row, day
)
SELECT u.user_row,
    CAST(count(d.day) AS FLOAT) AS n_trips,
    CAST(min(d.age) AS FLOAT) AS last_trip_age_days,
    CAST(max(d.age) AS FLOAT) AS first_trip_age_days,
    CAST(count(*) FILTER (WHERE d.day < 28) AS FLOAT) AS n_trips_28
FROM user_rows AS u
LEFT JOIN days AS d ON d.user_row = u.user_row
GROUP BY u.user_row
ORDER BY u.user_row
