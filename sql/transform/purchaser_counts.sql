-- What the purchaser filter met, in one row.
SELECT
    count(*) AS n_events,
    count(*) FILTER (WHERE event_type = 'purchase' AND coalesce(quantity, 1) <= 0) AS n_returns,
    count(DISTINCT user_id) AS n_users,
    count(DISTINCT user_id) FILTER (WHERE user_id NOT IN (SELECT user_id FROM users)) AS n_unknown_users
FROM events
