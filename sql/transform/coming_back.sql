-- Who comes back, and for what; one row. An item that a buyer buys several times on one day counts once. Days
-- are those of UTC.
-- n_returning:  buyers who bought on a second day too
-- days_to_return: the median of the days until then, of those who did; null where nobody did
-- n_bought:     buyers, items and days
-- n_later:      those of them after the buyer's first day
-- n_again:      those of an item that the buyer had bought on an earlier day
-- Reads: purchaser_events.
WITH bought AS (
    SELECT DISTINCT user_id, item_id, floor(epoch(occurred_at) / 86400) AS day
    FROM purchaser_events
    WHERE event_type = 'purchase'
),
since AS (
    SELECT
        user_id,
        day,
        min(day) OVER (PARTITION BY user_id) AS first_day,
        min(day) OVER (PARTITION BY user_id, item_id) AS first_day_of_item
    FROM bought
),
buyers AS (
    SELECT
        user_id,
        min(day) FILTER (WHERE day > first_day) - min(first_day) AS days_to_return,
        count(*) AS n_bought,
        count(*) FILTER (WHERE day > first_day) AS n_later,
        count(*) FILTER (WHERE day > first_day_of_item) AS n_again
    FROM since
    GROUP BY user_id
)
SELECT
    count(*) AS n_buyers,
    count(days_to_return) AS n_returning,
    median(days_to_return) AS days_to_return,
    CAST(coalesce(sum(n_bought), 0) AS BIGINT) AS n_bought,
    CAST(coalesce(sum(n_later), 0) AS BIGINT) AS n_later,
    CAST(coalesce(sum(n_again), 0) AS BIGINT) AS n_again
FROM buyers
